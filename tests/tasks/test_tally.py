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
RULES = Rules(default_eta={"h": 2.0})

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
    st.lists(STATES, min_size=1, max_size=10),
    st.sampled_from([ONE, TWO]),
)
def test_however_a_task_changes_the_sums_are_those_of_what_it_is_now(
    others: list[tuple[TaskState, TaskLabels]], lives: list[TaskState], labels: TaskLabels
) -> None:
    tally, fresh = Tally(), Tally()
    for state, its_labels in (*others, (lives[0], labels)):
        tally.add(state, its_labels, RULES)
    for before, after in pairwise(lives):
        tally.change(before, after, labels, RULES)
    last = (*others, (lives[-1], labels))
    for state, its_labels in last:
        fresh.add(state, its_labels, RULES)
    assert census_of(tally) == census_of(fresh)
    assert tally.label_sets == fresh.label_sets
    for state, its_labels in last:
        tally.take_away(state, its_labels, RULES)
    assert census_of(tally) == census_of(Tally()), "nothing is left of tasks that have gone"
    assert not tally.label_sets
