"""A set of numbers beside a plain one, whatever comes and goes."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from exporter.tasks.number_set import PAGE, NumberSet

numbers = st.integers(0, 3 * PAGE)


@given(st.lists(st.tuples(st.booleans(), numbers)))
def test_it_holds_what_a_plain_set_would(steps: list[tuple[bool, int]]) -> None:
    ours, plain = NumberSet(), set[int]()
    for comes, number in steps:
        (ours.add if comes else ours.discard)(number)
        (plain.add if comes else plain.discard)(number)
        assert (len(ours), number in ours, list(ours)) == (len(plain), number in plain, sorted(plain))


@given(st.sets(numbers), st.lists(st.tuples(st.booleans(), numbers)))
def test_whoever_stays_is_met_once_whatever_comes_and_goes_meanwhile(
    first: set[int], steps: list[tuple[bool, int]]
) -> None:
    ours, rest, met = NumberSet(), iter(steps), []
    for number in first:
        ours.add(number)
    for number in ours:
        met.append(number)
        comes, other = next(rest, (True, number))
        (ours.add if comes else ours.discard)(other)
    assert met == sorted(set(met))
    assert set(met) >= first - {number for comes, number in steps if not comes}
    assert set(met) <= first | {number for comes, number in steps if comes}


def test_numbers_that_came_together_cost_a_few_bytes() -> None:
    tracemalloc.start()
    try:
        ours = NumberSet()
        for number in range(PAGE * 500):
            ours.add(number)
        assert tracemalloc.get_traced_memory()[0] < 4 * len(ours)
    finally:
        tracemalloc.stop()


def test_whoever_lets_a_number_go_is_told_whether_it_was_there() -> None:
    numbers = NumberSet()
    numbers.add(70)
    assert [numbers.discard(number) for number in (70, 70, 6)] == [True, False, False]
