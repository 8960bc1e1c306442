"""What the pictures of the last hour say, and what they do not claim to know."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from exporter.metrics.history import MOST, Recent
from exporter.metrics.snapshot import AccountView
from exporter.settings.model import AccountSettings, GroupSettings, Settings
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.web.trends import Card, Trends, trends
from tests.support.browse import Browse
from tests.support.fake_exporter import NOW, FakeExporter
from tests.support.past import RENDERS, STILLS, Past

UP = AccountView("main", up=True, last_success_at=NOW)
HELD = AccountView("main", suspended="server", last_success_at=NOW)


def busy(*, samples: int, failed: int = 1) -> Past:
    """A task open, and so many that end in each interval: three that complete, and those that fail."""
    past = Past()
    past.accounts = (UP,)
    past.counts = {(RENDERS, Status.RUNNING): 1}
    past.sample()
    go_on(past, samples=samples, failed=failed)
    return past


def go_on(past: Past, *, samples: int, completed: int = 3, failed: int = 1) -> None:
    for _ in range(samples):
        past.end("completed", completed, seconds=40)
        past.end("failed", failed)
        past.ask(10)
        past.sample()


def hold(past: Past, *, samples: int) -> None:
    """An outage."""
    past.accounts = (replace(HELD, oldest_due_at=past.at),)
    for _ in range(samples):
        past.ask(1, 1)
        past.sample()


def shown(past: Past) -> Trends:
    return trends(past.recent, past.snapshot())


def card(of: Trends, title: str) -> Card:
    [found] = [it for it in of.cards if it.title == title]
    return found


def layers(it: Card) -> dict[str, str]:
    return {layer.kind: layer.path for layer in it.picture.layers}


def test_numbers_are_of_the_last_ten_minutes_and_of_the_hour_beside_them() -> None:
    past = busy(samples=100, failed=0)
    go_on(past, samples=20, completed=1, failed=3)
    told = shown(past)
    assert card(told, "Success").value.words == "25 %"
    assert card(told, "Success").lines == ("of 80 completed or failed", "84.2 % in 1 h")
    assert card(told, "Ended, per minute").value.words == "8"
    assert card(told, "Ended, per minute").lines == ("20 completed, 60 failed in 10 min",)
    assert card(told, "Duration, median").value.words == "37.5 s"
    [group] = told.groups
    assert (group.success.words, group.success_before, group.ended.words) == ("25 %", "84.2 % in 1 h", "8")


def test_whatever_failed_is_not_a_hundred_per_cent() -> None:
    past = busy(samples=0)
    go_on(past, samples=1, completed=9999, failed=1)
    assert card(shown(past), "Success").value.words == "99.9 %"


def test_in_an_outage_nothing_is_said_of_now_whatever_ended_before() -> None:
    past = busy(samples=20)
    hold(past, samples=2)
    told = shown(past)
    for title in ("Success", "Ended, per minute", "Duration, median", "Credits, per hour"):
        assert (card(told, title).value.words, card(told, title).value.is_known) == ("not known", False)
        assert layers(card(told, title))["blind"] == "M38 48v-48h2V48z", "the last two of 40 columns are grey"
    for title in ("Success", "Duration, median"):
        assert re.fullmatch(r"M18 \d+h20", layers(card(told, title))["line"]), "no line goes on into the grey"
    [group] = told.groups
    assert {group.success.words, group.ended.words, group.duration.words, group.credits.words} == {"not known"}
    assert told.unknown == ("Account main has not answered for 1 min: what its tasks do is not known.",)
    assert card(told, "Longest wait for a poll").value.words == "1 min 0 s"
    assert card(told, "Longest wait for a poll").lines == ("account main", "longest 1 min 0 s")


def test_after_an_outage_it_is_still_seen() -> None:
    past = busy(samples=20)
    hold(past, samples=4)
    past.accounts = (UP,)
    go_on(past, samples=2)
    told = shown(past)
    assert card(told, "Success").value.words == "75 %"
    assert layers(card(told, "Success"))["blind"] == "M34 48v-48h4V48z"
    assert told.unknown == ()
    answers = told.accounts["main"].answers
    assert answers.words == "up 12 min, suspended (server) 2 min"
    assert {layer.kind: layer.path for layer in answers.layers}["bad"] == "M34 24v-24h4V24z"


def test_an_account_that_does_not_answer_greys_its_own_groups_alone() -> None:
    past = Past(RENDERS, STILLS)
    past.counts = {(RENDERS, Status.RUNNING): 1, (STILLS, Status.RUNNING): 1}
    past.accounts = (HELD, AccountView("other", up=True, last_success_at=NOW))
    for _ in range(3):
        past.end("completed", 1, STILLS, seconds=40)
        past.sample()
    told = shown(past)
    renders, stills = told.groups
    assert (renders.success.words, stills.success.words) == ("not known", "100 %")
    assert "blind" in {layer.kind for layer in renders.open_picture.layers}
    assert "blind" not in {layer.kind for layer in stills.open_picture.layers}
    assert card(told, "Success").value.words == "100 %"
    assert len(told.unknown) == 1


def test_an_idle_system_is_idle_and_nothing_is_wrong_with_it() -> None:
    past = Past()
    past.accounts = (UP,)
    for _ in range(121):
        past.sample()
    told = shown(past)
    assert [it.value.words for it in told.cards] == ["0", "0", "idle", "none completed", "0", "nothing waits"]
    assert told.unknown == ()
    assert told.accounts["main"].answers.words == "idle 1 h"
    assert {layer.kind for it in told.cards for layer in it.picture.layers} == {"floor", "line"}


def test_tasks_that_are_open_while_nothing_ends() -> None:
    past = busy(samples=0)
    past.sample()
    assert card(shown(past), "Success").value.words == "nothing ended"


def test_what_is_not_known_of_open_tasks_stands_apart() -> None:
    past = Past()
    past.counts = {(RENDERS, Status.RUNNING): 3, (RENDERS, Status.UNOBSERVED): 2, (RENDERS, Status.UNKNOWN): 1}
    past.sample()
    told = shown(past)
    opened = card(told, "Open tasks")
    assert (opened.value.words, opened.lines) == ("6", ("most 6", "2 unobserved, 1 unknown"))
    assert layers(opened)["unheard"].startswith("M19 48v-48h1")
    assert layers(opened)["open"].startswith("M19 48v-24h1")
    assert told.groups[0].open.words == "6, 2 unobserved, 1 unknown"


def test_a_fresh_start_collects_and_claims_nothing() -> None:
    past = Past()
    nothing = trends(Recent(), past.snapshot())
    assert (nothing.title, nothing.collecting) == ("Last 10 minutes", "0 s")
    past.sample()
    told = shown(past)
    for title in ("Success", "Ended, per minute", "Duration, median", "Credits, per hour"):
        for it in (nothing, told):
            assert (card(it, title).value.words, card(it, title).value.is_known) == ("not known yet", False)


@pytest.mark.parametrize(
    ("samples", "title", "collecting"),
    [
        (6, "Last 10 minutes", "3 min 0 s"),
        (20, "Last 20 minutes", "10 min 0 s"),
        (45, "Last 30 minutes", "22 min 30 s"),
        (60, "Last hour", "30 min 0 s"),
        (500, "Last hour", ""),
    ],
)
def test_the_window_grows_with_what_there_is(samples: int, title: str, collecting: str) -> None:
    told = shown(busy(samples=samples))
    assert (told.title, told.collecting) == (title, collecting)


def test_where_nothing_was_sampled_nothing_is_drawn() -> None:
    past = busy(samples=9)
    past.sample(seconds=1800)
    go_on(past, samples=50)
    told = card(shown(past), "Open tasks")
    assert layers(told)["floor"] == "M0 48h10M69 48h51"


def test_failures_hang_and_share_the_scale_of_what_completed() -> None:
    ended = layers(card(shown(busy(samples=1, failed=3)), "Ended, per minute"))
    assert (ended["good"], ended["bad"]) == ("M19 24v-24h1V24z", "M19 24v24h1V24z")
    ended = layers(card(shown(busy(samples=1, failed=0)), "Ended, per minute"))
    assert (ended["good"], "bad" in ended) == ("M19 48v-48h1V48z", False)


def test_requests_and_their_failures() -> None:
    past = busy(samples=4)
    past.ask(20, 10)
    past.sample()
    requests = shown(past).accounts["main"].requests
    assert requests.words == "24 per minute, 10 of 60 failed"


def crowd(groups: int, name: str = "g{}") -> FakeExporter:
    """An hour of so many groups, each of which does something else in each interval."""
    known = [TaskLabels("main", name.format(number), "sora-2") for number in range(groups)]
    past = Past(*known)
    past.accounts = (UP,)
    for sample in range(121):
        for at, labels in enumerate(known):
            past.counts[labels, Status.RUNNING] = 1000 + (sample * 7 + at) % 41
            past.counts[labels, Status.UNOBSERVED] = (sample * 5 + at) % 37
            past.end("completed", (sample * 11 + at) % 29, labels, seconds=40)
            past.end("failed", (sample * 13 + at) % 7, labels)
            past.end("cancelled", (sample * 3 + at) % 5, labels)
        past.ask(100, sample % 3)
        past.sample()
    settings = Settings(
        accounts=(AccountSettings("main", "https://api.example", api_key_env="KEY"),),
        task_groups=tuple(GroupSettings(labels.group, "main", "sora-2") for labels in known),
    )
    return FakeExporter(settings, shown=past.snapshot, recent=past.recent)


@pytest.mark.slow
async def test_the_page_has_a_size_however_many_groups_there_are(browse: Browse) -> None:
    async with browse(crowd(200)) as client:
        page = await client.get("/")
    assert page.status_code == 200
    assert len(page.content) < 200_000
    assert page.text.count("<svg") == 6 + 2 + 2 * MOST
    assert f"The first {MOST} groups; pictures of 150 more are not kept." in page.text


async def test_every_picture_is_well_formed_and_says_what_it_shows(browse: Browse) -> None:
    async with browse(crowd(3, "a<b>&\"{}'")) as client:
        page = (await client.get("/")).text
    pictures = [ET.fromstring(f"<svg{part.split('</svg>')[0]}</svg>") for part in page.split("<svg")[1:]]
    assert len(pictures) == 6 + 2 + 2 * 3
    for picture in pictures:
        assert {it.tag for it in picture.iter()} == {"svg", "title", "desc", "path"}
        assert picture.findtext("title")
        assert picture.findtext("desc")
        assert {name for it in picture.iter() for name in it.attrib} == {
            "role", "viewBox", "preserveAspectRatio", "class", "d",
        }  # fmt: skip
    assert "<b>" not in page
    drawn = " ".join(path.attrib["d"] for picture in pictures for path in picture.iter("path"))
    assert not {"n", "N", "e", "i", "."} & set(drawn)


async def test_every_kind_of_layer_has_a_look(browse: Browse) -> None:
    past = busy(samples=20)
    past.counts[RENDERS, Status.UNOBSERVED] = 1
    past.end("cancelled")
    hold(past, samples=2)
    past.accounts = (UP,)
    past.ask(2, 1)
    past.sample()
    past.counts.clear()
    past.sample()
    exporter = FakeExporter(shown=past.snapshot, recent=past.recent)
    async with browse(exporter) as client:
        page = (await client.get("/")).text
    kinds = {part.split('"')[0] for part in page.split('<path class="')[1:]}
    assert kinds == {"open", "unheard", "good", "bad", "other", "partly", "idle", "line", "floor", "blind"}
    style = page.split("<style>")[1].split("</style>")[0]
    assert [kind for kind in kinds if f".{kind} {{" not in style and f".{kind}, " not in style] == []
