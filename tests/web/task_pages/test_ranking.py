"""The first of many, whatever the slices: as sorting all of them would have it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.task_pages.ranking import Ranking
from tests.support.fake_exporter import task_view


@given(st.lists(st.lists(st.none() | st.integers(0, 9), max_size=20), max_size=5), st.integers(1, 12), st.booleans())
def test_the_first_are_those_of_all_in_order(
    slices: Sequence[Sequence[int | None]], most: int, is_reversed: bool
) -> None:
    values = [value for some in slices for value in some]
    ranking = Ranking(lambda task: values[task.number], is_reversed=is_reversed, most=most)
    first = 0
    for some in slices:
        ranking.add(map(task_view, range(first, first + len(some))))
        first += len(some)

    def place(number: int) -> tuple[bool, int, int]:
        value = values[number]
        return value is None, (-1 if is_reversed else 1) * (value or 0), -number

    assert [task.number for task in ranking.tasks] == sorted(range(len(values)), key=place)[:most]


def test_no_more_is_kept_than_is_asked_for() -> None:
    ranking = Ranking(lambda task: float(task.number), is_reversed=True, most=10)
    for first in range(0, 2000, 100):
        ranking.add(map(task_view, range(first, first + 100)))
        assert len(ranking.tasks) == 10
    assert [task.number for task in ranking.tasks] == list(range(1999, 1989, -1))
