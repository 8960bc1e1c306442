"""Lists and answers go in, changes come out, whatever the ledger, the limits and those who are told make of it."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import pytest
import structlog
from msgspec import structs
from structlog.testing import CapturingLogger

from exporter.intake.intake import RECALLED, ROOM_PATIENCE, SLICE, TURN, Intake
from exporter.ledger.ledger import LedgerError, LedgerView
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState, begin, observe
from exporter.tasks.tracker import Change, ChangeKind, Tracker
from tests.support.fake_clock import FakeClock

LABELS = TaskLabels("a", "g")
RUNNING = Observation(Status.RUNNING)


def by_id(task_id: str, *, model: str = "") -> Item:
    return Item(TaskRef("a", task_id), structs.replace(LABELS, model=model))


def many(count: int) -> list[Item]:
    return [by_id(f"t{number}") for number in range(count)]


class Memory:
    """A ledger of which a test says what it knows, and how often it can be read."""

    def __init__(self) -> None:
        self.is_full = False
        self.view = LedgerView()
        self.known: dict[TaskRef, TaskState] = {}
        self.asked: list[Sequence[TaskRef]] = []
        self.readings_left = 1_000_000

    async def recall(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        self.readings_left -= 1
        if self.readings_left < 0:
            raise LedgerError("the disk is gone")
        self.asked.append(refs)
        return {ref: self.known[ref] for ref in refs if ref in self.known}


class Bounds:
    """Limits that let some models pass, and hear when places may be free."""

    def __init__(self) -> None:
        self.models: Collection[str] | None = None
        self.releases = 0

    @contextmanager
    def admission(self) -> Iterator[Callable[[TaskLabels], TaskLabels]]:
        yield self._admit

    def released(self) -> None:
        self.releases += 1

    def _admit(self, labels: TaskLabels) -> TaskLabels:
        return labels if self.models is None or labels.model in self.models else structs.replace(labels, model="other")


class Rig:
    """An intake whose changes are noted, after another consumer that may fail."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.memory = Memory()
        self.bounds = Bounds()
        self.tracker = Tracker(Rules(not_found_grace=0.0))
        self.lines = CapturingLogger()
        self.changes: list[Change] = []
        self.fault: Exception | None = None
        log = structlog.wrap_logger(self.lines, processors=[])
        self.intake = Intake(self.tracker, ledger=self.memory, bounds=self.bounds, clock=self.clock, log=log)
        self.intake.subscribe(self._fail)
        self.intake.subscribe(self.changes.append)

    def _fail(self, _: Change) -> None:
        if self.fault:
            raise self.fault

    def taken(self) -> list[tuple[str, str]]:
        """What has become of which task since this was last asked."""
        changes = [(str(change.kind), str(change.task.state.ref)) for change in self.changes]
        self.changes.clear()
        return changes

    def followed(self) -> list[str]:
        return [str(task.state.ref) for task in self.tracker.views(limit=10_000)]


@pytest.fixture
def rig() -> Rig:
    return Rig()


# ---- lists ---------------------------------------------------------------------------------------------------------


async def test_a_source_asks_for_exactly_what_it_named_last(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("t1"), by_id("t2")]})
    assert rig.taken() == [("followed", "t1"), ("followed", "t2")]
    await rig.intake.replace({"s": [by_id("t2"), by_id("t3")]})
    assert rig.taken() == [("followed", "t3"), ("dropped", "t1")]
    await rig.intake.replace({"s": []})
    assert rig.taken() == [("dropped", "t2"), ("dropped", "t3")]
    assert rig.tracker.sources == frozenset()


async def test_a_task_that_moves_between_sources_is_never_forgotten(rig: Rig) -> None:
    await rig.intake.replace({"one": [by_id("t")], "other": []})
    await rig.intake.replace({"one": [], "other": [by_id("t")]})
    assert rig.taken() == [("followed", "t"), ("named", "t")]


async def test_a_list_that_is_not_whole_drops_nothing(rig: Rig) -> None:
    await rig.intake.replace({"s": many(SLICE + 1)})
    rig.taken()
    await rig.intake.replace({"s": [by_id("new")]}, drops=False)
    assert rig.taken() == [("followed", "new")]
    assert len(rig.tracker) == SLICE + 2
    await rig.intake.replace({"s": [by_id("new")]})
    assert rig.followed() == ["new"]


async def test_the_loop_comes_round_between_the_slices_of_every_list(rig: Rig) -> None:
    taken: list[int] = []

    async def look() -> None:
        while True:
            taken.append(len(rig.changes))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    items = many(5 * SLICE + 1)
    await rig.intake.replace({"s": items})
    await rig.intake.replace({"s": []})
    await rig.intake.add("s", items, {})
    await rig.intake.drop("s", [item.ref for item in items])
    looking.cancel()

    assert len(rig.changes) == 4 * len(items)
    assert max(after - before for before, after in pairwise(taken)) == SLICE
    assert {len(refs) for refs in rig.memory.asked} == {RECALLED, len(items) % RECALLED}


class PassingClock(FakeClock):
    """Every look at it takes more than a third of a turn."""

    def monotonic(self) -> float:
        self._move_to(super().monotonic() + TURN * 0.4)
        return super().monotonic()


async def test_a_turn_ends_when_its_time_is_over(rig: Rig) -> None:
    log = structlog.wrap_logger(rig.lines, processors=[])
    intake = Intake(rig.tracker, ledger=rig.memory, bounds=rig.bounds, clock=PassingClock(), log=log)
    intake.subscribe(rig.changes.append)
    taken: list[int] = []

    async def look() -> None:
        while True:
            taken.append(len(rig.changes))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    items = many(20)
    await intake.replace({"s": items})
    await intake.replace({"s": []})
    looking.cancel()

    assert rig.taken() == [*(("followed", str(item.ref)) for item in items), *(("dropped", str(i.ref)) for i in items)]
    assert max(after - before for before, after in pairwise(taken)) == 3


async def test_a_list_waits_for_room_in_a_ledger_that_takes_commits(rig: Rig) -> None:
    rig.memory.is_full = True
    arriving = asyncio.create_task(rig.intake.replace({"s": many(3)}))
    await rig.clock.advance(ROOM_PATIENCE / 2)
    assert not rig.tracker
    rig.memory.is_full = False
    await rig.clock.advance(1.0)
    assert arriving.done()
    assert len(rig.tracker) == 3


async def test_it_does_not_wait_for_ever(rig: Rig) -> None:
    rig.memory.is_full = True
    arriving = asyncio.create_task(rig.intake.replace({"s": many(3)}))
    await rig.clock.advance(ROOM_PATIENCE + 1.0)
    with pytest.raises(LedgerError, match="too much waits"):
        await arriving


async def test_the_loop_comes_round_while_lists_are_recalled_that_are_known_already(rig: Rig) -> None:
    items = many(10 * RECALLED)
    await rig.intake.replace({"s": items})
    recalling = asyncio.create_task(rig.intake.recall({"s": items}))
    turns = 0
    while not recalling.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 5


async def test_only_what_is_new_is_asked_for_in_the_ledger(rig: Rig) -> None:
    ended = observe(begin(by_id("t1"), now=1.0), Observation(Status.COMPLETED), now=2.0).state
    rig.memory.known = {ended.ref: ended}
    await rig.intake.replace({"s": [by_id("t1"), by_id("t2")]})
    await rig.intake.replace({"s": [by_id("t1"), by_id("t2")], "other": [by_id("t2")]})
    assert rig.memory.asked == [[TaskRef("a", "t1"), TaskRef("a", "t2")]]
    assert [task.state.status for task in rig.tracker.views(limit=9)] == [Status.COMPLETED, Status.UNOBSERVED]


async def test_what_was_recalled_before_is_not_recalled_again(rig: Rig) -> None:
    lists = {"s": many(RECALLED + 1), "other": [by_id("x")]}
    ended = observe(begin(by_id("x"), now=1.0), Observation(Status.FAILED), now=2.0).state
    rig.memory.known = {ended.ref: ended}
    memory = await rig.intake.recall(lists)
    rig.memory.readings_left = 0
    await rig.intake.replace(lists, memory)
    task = rig.tracker.find(TaskRef("a", "x"))
    assert task is not None
    assert task.state == ended


async def test_a_ledger_that_fails_half_way_drops_nothing_and_the_list_may_come_again(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("old")]})
    rig.taken()
    items = many(3 * RECALLED)
    rig.memory.readings_left = 1
    with pytest.raises(LedgerError, match="the disk is gone"):
        await rig.intake.replace({"s": items})
    assert {kind for kind, _ in rig.taken()} == {"followed"}
    assert len(rig.tracker) == 1 + RECALLED

    rig.memory.readings_left = 10
    await rig.intake.replace({"s": items})

    assert rig.taken() == [*(("followed", str(item.ref)) for item in items[RECALLED:]), ("dropped", "old")]
    assert rig.followed() == [str(item.ref) for item in items]


async def test_a_full_ledger_takes_no_new_tasks_and_lets_the_others_be(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("t1"), by_id("t2")]})
    rig.memory.is_full, rig.memory.view = True, LedgerView(failing=True)
    with pytest.raises(LedgerError, match="too much waits"):
        await rig.intake.replace({"s": [by_id("new")]})
    with pytest.raises(LedgerError, match="too much waits"):
        await rig.intake.recall({"s": [by_id("new")]})
    assert rig.followed() == ["t1", "t2"]
    await rig.intake.replace({"s": [by_id("t2")]})
    assert rig.followed() == ["t2"], "what is known is still dropped"


async def test_one_id_twice_in_a_list_is_one_wish_and_the_first_holds(rig: Rig) -> None:
    items = [by_id("t", model="first"), *many(SLICE), by_id("t", model="second")]
    for _ in range(2):
        await rig.intake.replace({"s": items})
        task = rig.tracker.find(TaskRef("a", "t"))
        assert task is not None
        assert (task.labels.model, task.sources) == ("first", ("s",))


async def test_labels_are_bounded_before_anybody_sees_them(rig: Rig) -> None:
    rig.bounds.models = {"known"}
    await rig.intake.replace({"s": [by_id("t1", model="known"), by_id("t2", model="strange")]})
    assert [change.task.labels.model for change in rig.changes] == ["known", "other"]


async def test_a_list_with_other_labels_relabels_and_is_no_change(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("t", model="before")]})
    rig.taken()
    await rig.intake.replace({"s": [by_id("t", model="after")]})
    assert rig.taken() == []
    assert [labels.model for labels in rig.tracker.label_sets] == ["after"]

    rig.bounds.models = {"before"}
    await rig.intake.replace({"s": [by_id("t", model="after")]})
    assert [labels.model for labels in rig.tracker.label_sets] == ["other"], "other limits hold for the same list"


async def test_the_limits_hear_of_places_that_may_be_free(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("t")]})
    before = rig.bounds.releases
    await rig.intake.drop("s", [TaskRef("a", "t")])
    assert rig.bounds.releases == before + 1


async def test_what_nobody_asks_for_cannot_be_dropped(rig: Rig) -> None:
    await rig.intake.add("s", [by_id("t")], {})
    await rig.intake.drop("another", [TaskRef("a", "t")])
    await rig.intake.drop("s", [TaskRef("a", "unknown")])
    assert rig.followed() == ["t"]


async def test_other_rules_hold_for_every_task_after_a_recount(rig: Rig) -> None:
    await rig.intake.replace({"s": many(2 * SLICE + 1)})
    for item in many(2 * SLICE + 1):
        rig.intake.answer(item.ref, Observation(Status.RUNNING, estimated_seconds=10.0))
    await rig.clock.advance(15.0)
    assert not rig.tracker.census(now=rig.clock.wall()).overdue
    rig.tracker.apply(Rules(overdue_factor=1.0))
    await rig.intake.recount()
    assert rig.tracker.census(now=rig.clock.wall()).overdue == {LABELS: 2 * SLICE + 1}


async def test_a_recount_of_nothing_ends(rig: Rig) -> None:
    await rig.intake.recount()


# ---- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", [TaskRef("a", "t"), TaskRef("a", None, "o"), TaskRef("a", "t", "o")])
async def test_an_answer_finds_its_task_by_either_id(rig: Rig, ref: TaskRef) -> None:
    await rig.intake.replace({"s": [Item(TaskRef("a", "t", "o"), LABELS)]})
    rig.taken()
    rig.intake.answer(ref, RUNNING)
    [change] = rig.changes
    assert (change.kind, change.task.state.status, change.is_query) == (ChangeKind.ANSWERED, Status.RUNNING, True)


async def test_an_answer_that_tells_the_other_id_merges_two_names_of_one_task(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("t"), Item(TaskRef("a", None, "o"), LABELS)]})
    rig.taken()
    rig.intake.answer(TaskRef("a", None, "o"), Observation(Status.RUNNING, task_id="t"))
    assert rig.taken() == [("merged", "t"), ("answered", "t")]
    await rig.intake.replace({"s": [by_id("t")]})
    assert rig.taken() == [], "the other name still asks for it"
    await rig.intake.replace({"s": []})
    assert rig.taken() == [("dropped", "t")]


async def test_an_answer_that_came_on_its_own_says_so(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("t")]})
    rig.taken()
    rig.intake.answer(TaskRef("a", "t"), RUNNING, is_query=False)
    assert [change.is_query for change in rig.changes] == [False]


async def test_a_task_that_the_api_does_not_know_ends(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("t")]})
    rig.taken()
    for _ in range(3):
        rig.intake.answer(TaskRef("a", "t"), None)
    assert [change.task.state.status for change in rig.changes] == [
        Status.UNOBSERVED,
        Status.UNOBSERVED,
        Status.NOT_FOUND,
    ]
    assert [change.outcome is not None for change in rig.changes] == [False, False, True]


@pytest.mark.parametrize("answer", [RUNNING, None])
async def test_an_answer_on_a_task_that_nobody_follows_is_nothing(rig: Rig, answer: Observation | None) -> None:
    rig.intake.answer(TaskRef("a", "t"), answer)
    assert rig.taken() == []


# ---- those who are told --------------------------------------------------------------------------------------------


async def test_what_one_cannot_take_the_others_still_do(rig: Rig) -> None:
    rig.fault = RuntimeError("unforeseen")
    await rig.intake.replace({"s": [by_id("t")]})
    rig.intake.answer(TaskRef("a", "t"), RUNNING)
    assert rig.taken() == [("followed", "t"), ("answered", "t")]
    told = [(call.kwargs["event"], call.kwargs["task"], call.kwargs["kind"]) for call in rig.lines.calls]
    assert told == [("change_not_taken", "t", "followed"), ("change_not_taken", "t", "answered")]


async def test_whoever_subscribes_hears_of_what_comes_after(rig: Rig) -> None:
    await rig.intake.replace({"s": [by_id("t1")]})
    late: list[Change] = []
    rig.intake.subscribe(late.append)
    await rig.intake.replace({"s": [by_id("t1"), by_id("t2")]})
    assert [str(change.task.state.ref) for change in late] == ["t2"]


async def test_an_answer_that_says_what_the_last_one_said_is_a_change_for_those_alone_who_want_every_answer(
    rig: Rig,
) -> None:
    news: list[Change] = []
    confirmed: list[tuple[str, int]] = []
    rig.intake.subscribe_to_news(news.append, confirmed=lambda account, number: confirmed.append((account, number)))
    await rig.intake.replace({"s": [by_id("t")]})
    rig.changes.clear()

    for status in (Status.RUNNING, Status.RUNNING, Status.RUNNING, Status.COMPLETED):
        rig.intake.answer(TaskRef("a", "t"), Observation(status))
    rig.intake.answer(TaskRef("a", "gone"), Observation(Status.RUNNING))

    assert [change.task.state.status for change in rig.changes] == [*[Status.RUNNING] * 3, Status.COMPLETED]
    assert [change.task.state.status for change in news[1:]] == [Status.RUNNING, Status.COMPLETED]
    assert confirmed == [("a", news[0].task.number)] * 2
    assert [change.is_news for change in rig.changes] == [True, False, False, True]


async def test_what_came_on_its_own_confirms_no_query(rig: Rig) -> None:
    confirmed: list[int] = []
    rig.intake.subscribe_to_news(lambda _: None, confirmed=lambda _, number: confirmed.append(number))
    await rig.intake.replace({"s": [by_id("t")]})
    for _ in range(3):
        rig.intake.answer(TaskRef("a", "t"), Observation(Status.RUNNING), is_query=False)

    assert (confirmed, [change.is_query for change in rig.changes[1:]]) == ([], [False] * 3)


async def test_who_fails_at_a_confirmation_is_told_of_and_keeps_nobody_from_theirs(rig: Rig) -> None:
    confirmed: list[int] = []

    def fail(_account: str, _number: int) -> None:
        raise RuntimeError("a bug")

    rig.intake.subscribe_to_news(lambda _: None, confirmed=fail)
    rig.intake.subscribe_to_news(lambda _: None, confirmed=lambda _, number: confirmed.append(number))
    await rig.intake.replace({"s": [by_id("t")]})
    for _ in range(2):
        rig.intake.answer(TaskRef("a", "t"), Observation(Status.RUNNING))

    assert confirmed == [0]
    assert [call.kwargs["event"] for call in rig.lines.calls] == ["change_not_taken"]
