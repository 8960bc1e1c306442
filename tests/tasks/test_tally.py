"""The sums of the census: a change of one task is the same as taking it away and adding it anew."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.tasks.census import Census, Share, Tally
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status

ONE, TWO = TaskLabels("a", "g"), TaskLabels("a", "h")


def shares(*labels: TaskLabels) -> st.SearchStrategy[Share]:
    return st.builds(
        Share,
        st.sampled_from(labels),
        st.sampled_from([Status.UNOBSERVED, Status.PENDING, Status.RUNNING, Status.COMPLETED]),
        submitted_at=st.sampled_from([None, 1.0, 2.0]),
        overdue_at=st.sampled_from([None, 3.0, 4.0]),
        credits_nano=st.sampled_from([0, 5, 7]),
    )


def census_of(tally: Tally) -> Census:
    return tally.census(now=3.5, listed=(), unlisted=0, duplicates=0)


@given(st.lists(shares(ONE, TWO), max_size=3), st.lists(shares(ONE), min_size=1, max_size=10))
def test_however_a_task_changes_the_sums_are_those_of_what_it_is_now(others: list[Share], lives: list[Share]) -> None:
    tally = Tally()
    for share in (*others, lives[0]):
        tally.add(share)
    for before, after in pairwise(lives):
        tally.change(before, after)
    fresh = Tally()
    for share in (*others, lives[-1]):
        fresh.add(share)
    assert census_of(tally) == census_of(fresh)
    for share in (*others, lives[-1]):
        tally.take_away(share)
    assert census_of(tally) == census_of(Tally()), "nothing is left of tasks that have gone"
