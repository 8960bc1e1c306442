"""Rows that are read at once say what they say one by one, whatever stands in them."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.recalling import states_of_open, states_of_outcomes
from exporter.ledger.rows import DamagedRowError, Row, checked, state_of_open, state_of_outcome
from exporter.tasks.state import TaskState

GOOD_OPEN = (1, "a", "task_1", None, "running", 1, 1.0, 2.0, 35.0, None, 3.0, 4.0, 5.0, 9.0, 1, 0)
GOOD_OUTCOME = (1, "a", None, "mine", "failed", 2, 1.0, 2.0, None, 1.5, 3.0, None, 0.5, "why", 9.0, 1)
ODD = [None, "", "completed", "pending", "x", 0, 1, -1, 7, True, 1.0, 0.0, -2.5, math.inf, -math.inf, 1e308, b"x"]

Reading = Callable[[], list[TaskState]]


def answer(read: Reading) -> object:
    try:
        return read()
    except DamagedRowError as error:
        return str(error)


def rows_like(good: Row) -> st.SearchStrategy[list[Row]]:
    """Some rows, of which some say something else somewhere."""
    changes = st.lists(st.tuples(st.integers(1, len(good) - 1), st.sampled_from(ODD)), max_size=2)
    rows = st.builds(lambda number, changes: changed((number, *good[1:]), changes), st.integers(1, 9), changes)
    return st.lists(rows | st.just(good), max_size=5)


def changed(row: Row, changes: Sequence[tuple[int, object]]) -> Row:
    values = list(row)
    for at, value in changes:
        values[at] = value
    return tuple(values)


@given(rows_like(GOOD_OPEN))
def test_open_tasks(rows: list[Row]) -> None:
    one_by_one = answer(lambda: [checked("open_tasks", row, state_of_open) for row in rows])

    assert answer(lambda: states_of_open(rows)) == one_by_one


@given(rows_like(GOOD_OUTCOME))
def test_outcomes(rows: list[Row]) -> None:
    one_by_one = answer(lambda: [checked("outcomes", row, state_of_outcome) for row in rows])

    assert answer(lambda: states_of_outcomes(rows)) == one_by_one


@pytest.mark.parametrize(("read", "good"), [(states_of_open, GOOD_OPEN), (states_of_outcomes, GOOD_OUTCOME)])
def test_no_rows_have_no_states(read: Callable[[Sequence[Row]], list[TaskState]], good: Row) -> None:
    assert read([]) == []
    assert len(read([good])) == 1
