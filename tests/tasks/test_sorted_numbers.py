"""Numbers in order, packed."""

from random import Random

import pytest

from exporter.tasks.sorted_numbers import PAGE, SortedNumbers


def test_they_are_counted_and_the_lowest_is_known() -> None:
    numbers = SortedNumbers()
    for number in (3.0, 1.0, 2.0, 2.0):
        numbers.add(number)
    assert (len(numbers), numbers.first) == (4, 1.0)
    assert [numbers.below(limit) for limit in (1.0, 1.5, 2.0, 2.5, 9.0)] == [0, 1, 1, 3, 4]


def test_what_is_there_twice_is_taken_away_once_at_a_time() -> None:
    numbers = SortedNumbers()
    for _ in range(2):
        numbers.add(0.1)
    numbers.remove(0.1)
    assert (len(numbers), bool(numbers)) == (1, True)
    numbers.remove(0.1)
    assert (len(numbers), bool(numbers), numbers.below(1.0)) == (0, False, 0)


@pytest.mark.parametrize("number", [0.0, 1.5, 3.0])
def test_what_is_not_there_cannot_be_taken_away(number: float) -> None:
    numbers = SortedNumbers()
    numbers.add(1.0)
    numbers.add(2.0)
    with pytest.raises(ValueError, match="is not there"):
        numbers.remove(number)


@pytest.mark.parametrize("order", ["ascending", "descending", "any"])
def test_many_are_as_a_sorted_list_is(order: str) -> None:
    random = Random(7)
    values = [float(random.randrange(3 * PAGE)) for _ in range(5 * PAGE)]
    numbers = SortedNumbers()
    for value in values if order == "any" else sorted(values, reverse=order == "descending"):
        numbers.add(value)
    random.shuffle(values)
    while values:
        for value in values[: PAGE // 2]:
            numbers.remove(value)
        values = values[PAGE // 2 :]
        assert len(numbers) == len(values)
        assert [numbers.below(limit) for limit in (0.0, PAGE, 2.5 * PAGE)] == [
            sum(value < limit for value in values) for limit in (0.0, PAGE, 2.5 * PAGE)
        ]
        if values:
            assert numbers.first == min(values)
