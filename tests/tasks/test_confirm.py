"""An answer that says what the last one said goes a shorter way, and leads to the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.tasks.census import Rules
from exporter.tasks.entry import Entry
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState, begin, observe
from exporter.tasks.tracker import Change, ChangeKind, Tracker

Taken = TypeVar("Taken")

T0 = 1_780_000_000.0
LABELS = TaskLabels("a", "renders")
ITEM = Item(TaskRef("a", "t"), LABELS)
RUNNING = Observation(Status.RUNNING, "t", "x", estimated_credits=1.5, estimated_seconds=35.0)


def followed(*answers: Observation) -> Tracker:
    tracker = Tracker(Rules())
    tracker.claim("s", ITEM, now=T0)
    for at, answer in enumerate(answers, start=1):
        tracker.observe(ITEM.ref, answer, now=T0 + at)
    return tracker


def test_the_same_once_more_dates_the_task_and_changes_nothing_else() -> None:
    tracker = followed(RUNNING)
    before = tracker.find(ITEM.ref)
    assert before is not None

    assert tracker.take(ITEM.ref, RUNNING, now=T0 + 9) == before.number

    after = tracker.find(ITEM.ref)
    assert after is not None
    assert (before.state.observed_at, after.state.observed_at, after.state.open_at) == (T0 + 1, T0 + 9, T0 + 9)
    assert after.history == before.history


@pytest.mark.parametrize("left_out", ["task_id", "out_task_id", "estimated_credits", "estimated_seconds"])
def test_what_an_answer_leaves_out_is_as_before(left_out: str) -> None:
    known = {"task_id": "t", "out_task_id": "x", "estimated_credits": 1.5, "estimated_seconds": 35.0, left_out: None}
    assert followed(RUNNING).take(ITEM.ref, Observation(Status.RUNNING, **known), now=T0 + 9) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "news",
    [
        Observation(Status.PENDING),
        Observation(Status.COMPLETED),
        Observation(Status.RUNNING, estimated_credits=2.0),
        Observation(Status.RUNNING, estimated_seconds=36.0),
    ],
)
def test_of_news_a_change_is_made(news: Observation) -> None:
    assert followed(RUNNING).take(ITEM.ref, news, now=T0 + 9) == followed(RUNNING).observe(ITEM.ref, news, now=T0 + 9)


ENDED = Observation(Status.FAILED, "t")


@pytest.mark.parametrize(("before", "answer"), [([], RUNNING), ([ENDED], ENDED)])
def test_so_it_is_of_a_task_that_was_not_answered_or_has_ended(before: list[Observation], answer: Observation) -> None:
    told = followed(*before).observe(ITEM.ref, answer, now=T0 + 9)
    assert told
    assert followed(*before).take(ITEM.ref, answer, now=T0 + 9) == told


def test_nothing_is_made_of_a_task_that_is_not_followed() -> None:
    assert followed(RUNNING).take(TaskRef("a", "other"), RUNNING, now=T0 + 9) == []


NUMBERS = st.sampled_from([None, 0.0, 1.5, 35.0])
IDS = st.sampled_from([None, "t", "x"])
ANSWERS = st.builds(
    Observation,
    st.sampled_from([Status.PENDING, Status.RUNNING, Status.RUNNING, Status.UNKNOWN, Status.COMPLETED]),
    task_id=st.sampled_from([None, "t", "u"]),
    out_task_id=st.sampled_from([None, "x"]),
    estimated_credits=NUMBERS,
    estimated_seconds=NUMBERS,
)


@given(st.lists(ANSWERS, max_size=6), ANSWERS)
def test_whatever_says_as_before_changes_the_dates_alone(earlier: list[Observation], answer: Observation) -> None:
    state = begin(ITEM, now=T0)
    for at, one in enumerate(earlier):
        state = observe(state, one, now=T0 + at).state
    task = Entry.of(0, state)
    task.note_status(T0)
    if task.confirm(answer, now=T0 + 99):
        step = observe(state, answer, now=T0 + 99)
        assert (step.queue_seconds, step.outcome) == (None, None)
        assert _undated(step.state) == _undated(state)
        assert step.state == task.state
        assert step.state.observed_at == step.state.open_at == T0 + 99


REFS = st.sampled_from([TaskRef("a", "t"), TaskRef("a", "u"), TaskRef("a", None, "x")])
REMEMBERED = st.sampled_from([None, *(observe(begin(ITEM, now=T0), answer, now=T0).state for answer in (RUNNING,))])
STEPS = st.one_of(
    st.tuples(st.just("claim"), REFS, REMEMBERED),
    st.tuples(st.just("release"), REFS, st.none()),
    st.tuples(st.just("miss"), REFS, st.none()),
    st.tuples(st.just("rules"), st.sampled_from([1.0, 3.0]), st.none()),
    st.tuples(st.just("answer"), REFS, ANSWERS),
    st.tuples(st.just("answer"), REFS, st.sampled_from([RUNNING, Observation(Status.PENDING)])),
)


@given(st.lists(STEPS, max_size=40))
def test_both_ways_lead_to_the_same(steps: list[tuple[str, object, object]]) -> None:
    """One tracker takes each answer the shortest way, the other makes a change of every one."""
    quick, plain = Tracker(Rules(not_found_grace=0.0)), Tracker(Rules(not_found_grace=0.0))
    for at, step in enumerate(steps):
        now = T0 + at
        taken, told = _taken(quick, step, now, Tracker.take), _taken(plain, step, now, Tracker.observe)
        if isinstance(taken, int):
            (change,) = told
            assert change == Change(ChangeKind.ANSWERED, change.task)
            assert change.task == quick.view(taken)
        else:
            assert taken == told
        assert quick.views(limit=10) == plain.views(limit=10)
        assert _undated_census(quick, now) == _undated_census(plain, now)


def _taken(
    tracker: Tracker, step: tuple[str, object, object], now: float, take: Callable[..., Taken]
) -> Taken | list[Change]:
    match step:
        case "claim", TaskRef() as ref, remembered:
            known = remembered if isinstance(remembered, TaskState) and ref.task_id == "t" else None
            change = tracker.claim("s", Item(ref, LABELS), now=now, remembered=known)
            return [change] if change else []
        case "release", TaskRef() as ref, _:
            change = tracker.release("s", ref, now=now)
            return [change] if change else []
        case "miss", TaskRef() as ref, _:
            return tracker.miss(ref, now=now)
        case "rules", float(factor), _:
            tracker.apply(Rules(not_found_grace=0.0, overdue_factor=factor, default_eta={"renders": 5.0}))
        case "answer", TaskRef() as ref, Observation() as answer:
            return take(tracker, ref, answer, now=now)
    return []


def _undated_census(tracker: Tracker, now: float) -> tuple[object, list[object]]:
    """Listed tasks are not made anew for an answer that says nothing new, for no series shows its date."""
    census = tracker.census(now=now)
    return replace(census, listed=()), [(labels, _undated(state)) for labels, state in census.listed]


def _undated(state: TaskState) -> tuple[object, ...]:
    return tuple(getattr(state, name) for name in state.__struct_fields__ if name not in ("observed_at", "open_at"))
