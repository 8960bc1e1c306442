from collections.abc import Sequence
from typing import Any

import pytest

from exporter.dispatcher.answer import Quota
from exporter.ledger.ledger import LedgerView
from exporter.metrics.snapshot import AccountView, ConfigView
from exporter.settings.model import GroupSettings
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.web.landing import Landing, Moment, Mood, State, landing
from tests.support.fake_exporter import NOW, census, snapshot

RENDERS = GroupSettings("renders", "default")


def page(*, faults: Sequence[str] = (), unready: Sequence[str] = (), **parts: object) -> Landing:
    return landing(snapshot(**parts), (RENDERS,), faults=faults, unready=unready)


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
    assert {status: count for status, count in zip(shown.statuses, row.counts, strict=True) if count} == {
        "running": 5,
        "failed": 1,
    }


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
