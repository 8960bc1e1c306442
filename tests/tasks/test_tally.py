"""The sums of the census: a change of one task is the same as taking it away and adding it anew."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.tasks.census import Census, Rules, Tally
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState

ONE, TWO = TaskLabels("a", "g"), TaskLabels("a", "h")
RULES, OTHERS = Rules(default_eta={"h": 2.0}), Rules(default_eta={"g": 0.1})

STATES = st.builds(
    TaskState,
    ref=st.just(TaskRef("a", "t")),
    first_seen_at=st.just(1.0),
    submitted_at=st.sampled_from([1.0, 2.0]),
    submission=st.just(Submission.SOURCE),
    status=st.sampled_from(
        [Status.UNOBSERVED, Status.UNKNOWN, Status.PENDING, Status.RUNNING, Status.RUNNING, Status.COMPLETED]
    ),
    eta_seconds=st.sampled_from([None, 0.5, 1.0]),
    credits_estimated=st.sampled_from([None, 0.0, 5e-9, 7e-9]),
)


def census_of(tally: Tally) -> Census:
    return tally.census(now=3.5, listed=(), unlisted=0, duplicates=0)


@given(
    st.lists(st.tuples(STATES, st.sampled_from([ONE, TWO])), max_size=3),
    st.lists(st.tuples(STATES, st.sampled_from([RULES, RULES, OTHERS])), min_size=1, max_size=10),
    st.sampled_from([ONE, TWO]),
)
def test_however_a_task_changes_the_sums_are_those_of_what_it_is_now(
    others: list[tuple[TaskState, TaskLabels]], lives: list[tuple[TaskState, Rules]], labels: TaskLabels
) -> None:
    tally, fresh = Tally(), Tally()
    for state, its_labels in others:
        tally.add(state, its_labels, RULES)
        fresh.add(state, its_labels, RULES)
    (first, first_rules), (last, last_rules) = lives[0], lives[-1]
    tally.add(first, labels, first_rules)
    for (before, by), (after, rules) in pairwise(lives):
        tally.change(before, after, labels, by, rules)
    fresh.add(last, labels, last_rules)
    assert census_of(tally) == census_of(fresh)
    assert tally.label_sets == fresh.label_sets
    for state, its_labels in others:
        tally.take_away(state, its_labels, RULES)
    tally.take_away(last, labels, last_rules)
    assert census_of(tally) == census_of(Tally()), "nothing is left of tasks that have gone"
    assert not tally.label_sets
