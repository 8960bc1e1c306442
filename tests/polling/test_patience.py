import pytest

from exporter.polling.streams import FIRST_PAUSE, FIRST_REST, LONGEST_PAUSE, LONGEST_REST, ODD_IN_A_ROW, Patience
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.state import begin
from exporter.tasks.task import Task


def new_task(name: str) -> Task:
    return Task(begin(Item(TaskRef("a", name), TaskLabels("a", "g")), now=0.0), [])


def test_each_end_of_a_tasks_stream_doubles_the_pause_before_the_next() -> None:
    patience, task, other = Patience(), new_task("t"), new_task("u")
    now, pauses = 0.0, []
    for _ in range(9):
        assert patience.allows(task, now=now)
        patience.ended(task, now=now)
        pauses.append(next(s for s in range(10_000) if patience.allows(task, now=now + s)))
        assert patience.allows(other, now=now)
        now += pauses[-1]

    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE)
    patience.ended(task, now=now)
    patience.forget(task)
    assert patience.allows(task, now=now)


def test_all_rest_after_several_in_a_row_that_came_to_nothing() -> None:
    patience, task = Patience(), new_task("t")
    assert [patience.odd(now=0.0) for _ in range(ODD_IN_A_ROW)] == [0.0] * (ODD_IN_A_ROW - 1) + [FIRST_REST]
    assert [patience.allows(task, now=now) for now in (0.0, 59.9, 60.0)] == [False, False, True]
    assert [patience.odd(now=60.0) for _ in range(ODD_IN_A_ROW)] == [0.0] * (ODD_IN_A_ROW - 1) + [2 * FIRST_REST]


def test_one_that_is_fine_breaks_the_row() -> None:
    patience = Patience()
    for _ in range(5):
        assert [patience.odd(now=0.0) for _ in range(ODD_IN_A_ROW - 1)] == [0.0] * (ODD_IN_A_ROW - 1)
        patience.fine(now=0.0)


def test_rests_grow_up_to_a_limit() -> None:
    patience = Patience()
    rests = [patience.rest(now=0.0) for _ in range(40)]
    assert rests[:3] == [60.0, 120.0, 240.0]
    assert rests[-1] == LONGEST_REST


@pytest.mark.parametrize(("fine_at", "rest"), [(200.0, 240.0), (240.0, 60.0)])
def test_rests_are_forgiven_once_it_goes_well_for_as_long(fine_at: float, rest: float) -> None:
    patience = Patience()
    patience.rest(now=-60.0)
    assert patience.rest(now=0.0) == 120.0
    patience.fine(now=fine_at)
    assert patience.rest(now=fine_at) == rest
