"""A few of many: as many as there is room for, those that were noted last."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from exporter.tasks.latest import Latest

STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5) | st.none()), max_size=40)
"""A task's number, and the size of what is noted of it; None: it is forgotten."""


@given(STEPS, st.integers(1, 5), st.integers(0, 12))
def test_there_is_never_more_than_room_and_the_last_ones_stay(
    steps: Sequence[tuple[int, int | None]], most: int, most_size: int
) -> None:
    latest: Latest[str] = Latest(most=most, most_size=most_size)
    expected: dict[int, int] = {}
    for number, size in steps:
        expected.pop(number, None)
        if size is None:
            latest.forget(number)
        else:
            latest.note(number, f"{number}", size=size)
            expected[number] = size
        while len(expected) > most or sum(expected.values()) > most_size:
            del expected[next(iter(expected))]
        assert {each for each in range(10) if latest.get(each) == f"{each}"} == set(expected)
        assert (len(latest), latest.size) == (len(expected), sum(expected.values()))
