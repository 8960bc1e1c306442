"""Names are remembered with the place where each was seen first, however many there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.seen import PART, FirstSeen


@given(st.lists(st.text(max_size=3)), st.sampled_from([0, 1, PART, 10 * PART]))
def test_each_name_was_seen_first_where_it_stands_first(names: list[str], expected: int) -> None:
    seen = FirstSeen(expected)

    assert [seen.at(name, at) for at, name in enumerate(names)] == [names.index(name) for name in names]


@pytest.mark.parametrize("expected", [0, 20 * PART])
def test_more_may_come_than_were_expected(expected: int) -> None:
    seen = FirstSeen(expected)
    names = [f"task_{number}" for number in range(3 * PART)]

    assert [seen.at(name, at) for at, name in enumerate(names)] == list(range(len(names)))
    assert [seen.at(name, -1) for name in names] == list(range(len(names)))
