"""``/`` and ``/config``, and what the landing page says in words."""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any

import pytest
import yaml

from exporter.dispatcher.answer import Quota
from exporter.ledger.ledger import LedgerView
from exporter.metrics.history import Recent
from exporter.metrics.snapshot import AccountView, ConfigView
from exporter.settings.model import GroupSettings, Settings
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.web.pages import Landing, landing
from exporter.web.wording import Moment, Mood, State, as_age, as_utc
from tests.support.browse import Browse
from tests.support.fake_exporter import NOW, SETTINGS, FakeExporter, census, snapshot


@pytest.mark.parametrize("path", ["/", "/config"])
async def test_a_page_loads_nothing_and_runs_nothing(browse: Browse, path: str) -> None:
    async with browse(FakeExporter()) as client:
        page = await client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    [style] = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<script|<link|<img|style=|https?://(?!api\.example)", page.text)


async def test_the_links_of_a_page_lead_somewhere_also_behind_a_prefix(browse: Browse) -> None:
    counts = {(TaskLabels("default", "renders"), Status.RUNNING): 2}
    async with browse(FakeExporter(shown=lambda: snapshot(census=census(counts=counts)))) as client:
        page = await client.get("/")
        links = list(map(unescape, re.findall(r'href="([^"]*)"', page.text)))
        assert not [link for link in links if link.startswith("/")]
        assert {link: (await client.get(f"/{link}")).status_code for link in links} == dict.fromkeys(
            [
                *(".", "tasks", "metrics", "config", "-/healthy", "-/ready"),
                *("tasks?group=renders", "tasks?status=running&group=renders"),
            ],
            200,
        )


async def test_the_overview_says_states_in_words(browse: Browse) -> None:
    accounts = (AccountView("good", up=True, last_success_at=1.0), AccountView("bad", suspended="invalid_api_key"))
    exporter = FakeExporter(shown=lambda: snapshot(accounts=accounts), unready=("account bad has not been polled yet",))
    async with browse(exporter) as client:
        page = (await client.get("/")).text
    for text in (
        '<span class="state bad">in trouble: 1 place below</span>',
        '<span class="state good">up</span>',
        '<span class="state bad">suspended: invalid_api_key</span>',
        ">Account bad is suspended: invalid_api_key</a></li>",
        "<li>account bad has not been polled yet</li>",
        "version 1.2.3, revision abc123, Python 3.13.1",
    ):
        assert text in page


async def test_names_are_text_and_never_markup(browse: Browse) -> None:
    settings = Settings(
        accounts=SETTINGS.accounts, task_groups=(GroupSettings("<script>alert(1)</script>", "default"),)
    )
    async with browse(FakeExporter(settings, unready=("<b>",))) as client:
        for path in ("/", "/config"):
            page = (await client.get(path, headers={"Accept": "text/html"})).text
            assert "<script>" not in page
            assert "&lt;script&gt;" in page


async def test_an_exporter_without_groups(browse: Browse) -> None:
    async with browse(FakeExporter(Settings(accounts=SETTINGS.accounts))) as client:
        assert "None is configured" in (await client.get("/")).text


async def test_the_configuration_is_yaml_for_whoever_does_not_ask_for_a_page(browse: Browse) -> None:
    async with browse(FakeExporter()) as client:
        answer = await client.get("/config")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert yaml.safe_load(answer.text)["accounts"][0]["api_key_env"] == "KEY"


RENDERS = GroupSettings("renders", "default")


def page(*, faults: Sequence[str] = (), unready: Sequence[str] = (), **parts: object) -> Landing:
    return landing(snapshot(**parts), (RENDERS,), Recent(), faults=faults, unready=unready)


@pytest.mark.parametrize(
    ("account", "state"),
    [
        (AccountView("a"), State("no answer yet", Mood.WAITING)),
        (AccountView("a", up=True, last_success_at=NOW), State("up", Mood.GOOD)),
        (AccountView("a", last_success_at=NOW), State("down", Mood.BAD)),
        (AccountView("a", up=True, suspended="concurrency"), State("suspended: concurrency", Mood.BAD)),
    ],
)
def test_the_state_of_an_account(account: AccountView, state: State) -> None:
    assert page(accounts=(account,)).accounts[0].state == state


def test_what_is_known_of_an_account() -> None:
    account = AccountView(
        "a", up=True, last_success_at=NOW - 75, quota=Quota(remaining_credits=1192.4), tasks_due=3, requests_in_flight=2
    )
    [row] = page(accounts=(account,)).accounts
    assert row.last_success == Moment("2026-05-28 20:25:25 UTC", "1 min 15 s")
    assert (row.quota, row.due, row.in_flight) == ("1,192.40", 3, 2)


def test_a_group_adds_up_its_models_and_leaves_out_other_groups() -> None:
    def labels(model: str, group: str = "renders") -> TaskLabels:
        return TaskLabels("default", group, model)

    counts = {
        (labels("sora-2"), Status.RUNNING): 2,
        (labels("veo-3.1"), Status.RUNNING): 3,
        (labels("veo-3.1"), Status.FAILED): 1,
        (labels("kling", "other"), Status.FAILED): 50,
    }
    shown = page(census=census(counts=counts), known=(labels("seedream"), labels("x", "other"), labels("")))
    [row] = shown.groups
    assert row.models == "seedream, sora-2, veo-3.1"
    assert {status: count for status, count in zip(shown.statuses, row.counts, strict=True) if count[0]} == {
        "running": (5, "tasks?status=running&group=renders"),
        "failed": (1, "tasks?status=failed&group=renders"),
    }


def test_each_label_set_is_looked_at_as_often_however_many_groups_there_are() -> None:
    class Known(tuple[TaskLabels, ...]):
        __slots__ = ()

        def __iter__(self) -> Iterator[TaskLabels]:
            looks[-1] += 1
            return super().__iter__()

    looks: list[int] = []
    for many in (1, 50):
        looks.append(0)
        groups = [GroupSettings(f"g{number}", "default") for number in range(many)]
        known = Known([TaskLabels("default", "g0", "veo")])
        shown = landing(snapshot(known=known), groups, Recent(), faults=(), unready=())
        assert [(row.name, row.models) for row in shown.groups if row.models] == [("g0", "veo")]
    assert looks[0] == looks[1] <= 2


def test_many_models_are_cut_short() -> None:
    known = tuple(TaskLabels("default", "renders", f"m{number}") for number in range(9))
    assert page(known=known).groups[0].models == "m0, m1, m2, m3 and 5 more"


DOWN = AccountView("a", last_success_at=NOW)


@pytest.mark.parametrize(
    ("parts", "summary"),
    [
        ({}, State("healthy and ready", Mood.GOOD)),
        ({"unready": ("not polled",)}, State("not ready", Mood.WAITING)),
        ({"accounts": (DOWN,)}, State("in trouble: 1 place below", Mood.BAD)),
        (
            {"accounts": (DOWN,), "config": ConfigView(last_reload_successful=False), "unready": ("x",)},
            State("in trouble: 2 places below", Mood.BAD),
        ),
        ({"ledger": LedgerView(failing=True)}, State("in trouble: 1 place below", Mood.BAD)),
        ({"faults": ("dead",), "unready": ("x",), "accounts": (DOWN,)}, State("unhealthy", Mood.BAD)),
    ],
)
def test_the_summary_tells_the_worst(parts: dict[str, Any], summary: State) -> None:
    assert page(**parts).summary == summary


def test_ledger_and_configuration() -> None:
    shown = page(
        ledger=LedgerView(pending=7, failing=True, last_commit_at=NOW - 3600),
        config=ConfigView(last_reload_successful=False, last_reload_success_at=NOW - 86400),
    )
    assert (shown.ledger.words, shown.ledger_pending) == ("failing", 7)
    assert shown.ledger_commit == Moment("2026-05-28 19:26:40 UTC", "1 h 0 min")
    assert shown.config == State("the last reload failed: an older one goes on", Mood.BAD)
    assert shown.config_loaded.age == "1 d 0 h"


def test_a_time_is_absolute_and_says_its_zone() -> None:
    assert as_utc(1_780_000_000.9) == "2026-05-28 20:26:40 UTC"


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5, "0 s"),  # the clock was set back
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (400 * 86400 + 7200, "400 d 2 h"),
    ],
)
def test_an_age_has_the_two_units_that_matter(seconds: float, age: str) -> None:
    assert as_age(seconds) == age
