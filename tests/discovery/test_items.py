"""Items in pages, beside the same in a tuple."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.discovery.items import PAGE, Items
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels

LABELS = TaskLabels("default", "renders")
MANY = tuple(Item(TaskRef("default", f"task_{number}"), LABELS) for number in range(2 * PAGE + 10))

SIZES = st.sampled_from([0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 10])
PLACES = st.none() | st.integers(-3 * PAGE, 3 * PAGE)


@given(SIZES, PLACES, PLACES, st.sampled_from([None, 1, 2, -1]))
def test_a_part_is_that_of_a_tuple(size: int, start: int | None, stop: int | None, step: int | None) -> None:
    ours, plain = Items(MANY[:size]), MANY[:size]
    part = slice(start, stop, step)
    assert (len(ours), tuple(ours), ours[part]) == (size, plain, plain[part])


@given(SIZES, st.integers(-3 * PAGE, 3 * PAGE))
def test_an_item_is_that_of_a_tuple(size: int, at: int) -> None:
    ours, plain = Items(MANY[:size]), MANY[:size]
    if -size <= at < size:
        assert ours[at] is plain[at]
    else:
        with pytest.raises(IndexError):
            ours[at]


def test_lists_are_equal_that_name_the_same_in_the_same_order() -> None:
    same = [Item(TaskRef("default", f"task_{number}"), LABELS) for number in range(2 * PAGE + 10)]
    assert Items(MANY) == Items(same) == Items.joined([same[:3], same[3:]])
    assert Items(MANY) != Items(same[1:])
    assert Items(MANY) != Items([*same[1:], same[0]])
    assert Items(MANY) != MANY


def test_what_is_let_go_is_empty() -> None:
    ours = Items(MANY)
    ours.let_go()
    assert (len(ours), tuple(ours), ours == Items()) == (0, (), True)


def test_one_list_alone_is_not_copied_and_either_is_let_go_by_itself() -> None:
    ours = Items(MANY)
    same = Items.joined([ours])
    assert [page is other for page, other in zip(ours.pages, same.pages, strict=True)] == [True] * 3
    ours.let_go()
    assert tuple(same) == MANY


def test_no_list_at_all_is_an_empty_one() -> None:
    assert Items.joined([]) == Items()
