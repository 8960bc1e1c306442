"""A parted dictionary beside a plain one."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.tasks.parted import PART, Parted


@given(st.lists(st.tuples(st.booleans(), st.text("ab", max_size=3), st.integers())), st.integers(0, 5))
def test_it_keeps_what_a_plain_one_would(steps: list[tuple[bool, str, int]], parts: int) -> None:
    ours, plain = Parted[int](), {str(number): number for number in range(PART * parts)}
    for key, value in plain.items():
        ours.setdefault(key, value)
    for comes, key, value in steps:
        if comes:
            assert ours.setdefault(key, value) == plain.setdefault(key, value)
        elif key in plain:
            ours.remove(key)
            del plain[key]
        assert (ours.get(key), len(ours)) == (plain.get(key), len(plain))
    assert all(ours.get(key) == value for key, value in plain.items())


def test_what_is_not_there_cannot_be_removed() -> None:
    ours = Parted[int]()
    with pytest.raises(KeyError):
        ours.remove("nobody")
    assert (ours.get("nobody"), len(ours)) == (None, 0)


@pytest.mark.slow
def test_no_key_has_more_made_anew_than_a_part() -> None:
    ours, most = Parted[int](), 0
    tracemalloc.start()
    try:
        for number in range(30 * PART):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            ours.setdefault(str(number), number)
            most = max(most, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert most < 200 * PART  # a plain dictionary: more than a megabyte at once
