"""What one batch adds by what is known of its tasks, without a database."""

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.accounting.series import Increments, Series
from exporter.ledger.deciding import Decision, Fact
from exporter.ledger.ledger import Count, Entry
from exporter.ledger.names import names_of
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe

FOLLOWED, STARTED, ENDED = (Series(name, (("group", "g"),)) for name in ("followed", "started", "ended"))
BOTH, OWN, OTHER = TaskRef("a", "t", "x"), TaskRef("a", "t"), TaskRef("a", None, "x")


def entry(ref: TaskRef, status: Status = Status.COMPLETED) -> Entry:
    """One that counts all that its state can."""
    state = begin(Item(ref, TaskLabels("a", "g")), now=0.0)
    state = observe(state, Observation(Status.RUNNING), now=1.0).state
    is_end = status.is_terminal
    state = observe(state, Observation(status), now=2.0).state if is_end else state
    counts = [Count(Increments({series: 1.0})) for series in (FOLLOWED, STARTED, ENDED)]
    return Entry(state, followed=counts[0], started=counts[1], ended=counts[2] if is_end else None)


@pytest.mark.parametrize("ref", [BOTH, OWN, OTHER])
@pytest.mark.parametrize("known", [BOTH, OWN, OTHER])
@pytest.mark.parametrize(
    ("fact", "counted"),
    [
        ({}, {FOLLOWED, STARTED, ENDED}),
        ({"is_followed": True}, {STARTED, ENDED}),
        ({"running_at": 1.0}, {FOLLOWED, ENDED}),
        ({"is_followed": True, "running_at": 0.0}, {ENDED}),
        ({"has_ended": True}, set()),
    ],
)
def test_what_is_known_is_not_counted_again(
    ref: TaskRef, known: TaskRef, fact: dict[str, float], counted: set[Series]
) -> None:
    """Under whichever name, where the two share one."""
    decision = Decision([Fact(known, **fact)])  # type: ignore[arg-type]
    decision.take(entry(ref))

    share_a_name = set(ref.ids()) & set(known.ids())
    assert set(decision.increments) == (counted if share_a_name else {FOLLOWED, STARTED, ENDED})


def test_two_tasks_of_one_outer_name_are_two() -> None:
    decision = Decision([Fact(TaskRef("a", "other", "x"), has_ended=True, row=None)])
    decision.take(entry(BOTH))
    assert decision.increments == {FOLLOWED: 1.0, STARTED: 1.0, ENDED: 1.0}


def test_a_batch_that_names_a_task_twice_counts_it_once() -> None:
    decision = Decision([])
    for ref, status in ((OWN, Status.RUNNING), (BOTH, Status.RUNNING), (BOTH, Status.FAILED), (OTHER, Status.FAILED)):
        decision.take(entry(ref, status))

    assert decision.increments == {FOLLOWED: 1.0, STARTED: 1.0, ENDED: 1.0}
    assert len(decision.outcomes) == 1


def test_the_rows_that_a_new_one_replaces_are_stale_unless_the_task_has_ended() -> None:
    open_facts = [Fact(OWN, row=1), Fact(OTHER, row=2), Fact(TaskRef("a", "elsewhere"), row=3)]
    going_on = Decision(open_facts)
    going_on.take(entry(BOTH, Status.RUNNING))
    over = Decision([Fact(OTHER, has_ended=True), *open_facts])
    over.take(entry(BOTH, Status.RUNNING))

    assert (going_on.stale, len(going_on.open)) == ({1, 2}, 1)
    assert (over.stale, over.open) == (set(), [])


def test_a_row_of_the_very_same_names_is_written_anew_where_it_stands() -> None:
    decision = Decision([Fact(BOTH, row=1), Fact(TaskRef("a", "t2", "x"), row=2)])
    decision.take(entry(BOTH, Status.RUNNING))
    decision.take(entry(TaskRef("a", "t3", "x"), Status.RUNNING))

    assert ([number for number, _ in decision.rewritten], decision.stale, len(decision.open)) == ([1], set(), 1)


def test_a_row_that_was_to_be_written_anew_goes_where_its_task_ends_in_the_same_batch() -> None:
    decision = Decision([Fact(BOTH, row=1)])
    for status in (Status.RUNNING, Status.COMPLETED):
        decision.take(entry(BOTH, status))

    assert (decision.rewritten, decision.stale, decision.open, len(decision.outcomes)) == ([], {1}, [], 1)


def test_of_two_rows_with_the_same_names_one_is_left() -> None:
    decision = Decision([Fact(BOTH, row=1), Fact(BOTH, row=2)])
    decision.take(entry(BOTH, Status.RUNNING))

    assert ([number for number, _ in decision.rewritten], decision.stale) == ([1], {2})


@pytest.mark.parametrize("order", [(OWN, BOTH), (BOTH, OWN)])
def test_a_row_whose_task_also_comes_under_other_names_is_not_written_anew(order: tuple[TaskRef, ...]) -> None:
    """There is one in its place, which bears all of its names."""
    decision = Decision([Fact(OWN, row=1)])
    for ref in order:
        decision.take(entry(ref, Status.RUNNING))

    assert (decision.rewritten, decision.stale) == ([], {1})
    assert [row[:3] for row in decision.open] == [("a", "t", "x")]


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("order", [(OWN, OTHER), (OTHER, OWN)])
def test_a_task_that_ends_under_each_of_its_names_alone_counts_once(order: tuple[TaskRef, ...], distinct: bool) -> None:
    decision = Decision([Fact(BOTH, is_followed=True, running_at=1.0, row=1)], distinct=distinct)
    for ref in order:
        decision.take(entry(ref))

    assert (decision.increments, decision.stale) == ({ENDED: 1.0}, {1})
    assert [row[:3] for row in decision.outcomes] == [("a", "t", "x")]


@pytest.mark.parametrize("status", [Status.RUNNING, Status.FAILED])
@pytest.mark.parametrize("ref", [OWN, OTHER])
def test_what_is_kept_of_a_task_bears_the_names_that_were_known(ref: TaskRef, status: Status) -> None:
    """Under the other one, it would count again."""
    decision = Decision([Fact(BOTH, row=1)], distinct=True)
    decision.take(entry(ref, status))

    kept = [*decision.outcomes, *(row for _, row in decision.rewritten)]
    assert ([row[:3] for row in kept], decision.open) == ([("a", "t", "x")], [])


def test_a_name_that_one_fact_lends_leads_to_the_next() -> None:
    decision = Decision([Fact(BOTH, row=1), Fact(OWN, has_ended=True)])
    decision.take(entry(OTHER))
    assert (decision.increments, decision.outcomes) == ({}, [])


REFS = st.builds(
    TaskRef, st.sampled_from("ab"), st.sampled_from([None, "t1", "t2", "t3"]), st.sampled_from(["x1", "x2", "x3"])
)
FACTS = st.builds(
    Fact, REFS, has_ended=st.booleans(), is_followed=st.booleans(), running_at=st.sampled_from([None, 1.0])
)


@given(facts=st.lists(FACTS, max_size=4), refs=st.lists(REFS, max_size=4), statuses=st.randoms(use_true_random=False))
def test_tasks_with_distinct_names_are_decided_as_any_others(
    facts: list[Fact], refs: list[TaskRef], statuses: random.Random
) -> None:
    assume(names_of(refs).are_distinct)
    entries = [entry(ref, statuses.choice([Status.RUNNING, Status.FAILED])) for ref in refs]
    numbered = [replace(fact, row=None if fact.has_ended else row) for row, fact in enumerate(facts)]
    quick, thorough = (Decision(numbered, distinct=distinct) for distinct in (True, False))
    for each in entries:
        quick.take(each)
        thorough.take(each)

    for what in ("increments", "outcomes", "open", "rewritten", "stale"):
        assert getattr(quick, what) == getattr(thorough, what)
