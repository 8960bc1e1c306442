"""Whose turn it is, told by times alone."""

import math

import pytest

from exporter.polling.schedule import Schedule, Slot
from exporter.polling.shares import FAILING_SHARE, Shares

WELL, FAILING = 1, 2


class Rig:
    def __init__(self) -> None:
        self.well, self.failing = Schedule(), Schedule()
        self.turns = Shares(well=self.well, failing=self.failing)

    def due(self, *, well: float | None = None, failing: float | None = None) -> None:
        for schedule, number, due in ((self.well, WELL, well), (self.failing, FAILING, failing)):
            if due is not None:
                schedule.put(number, Slot(due, 2.0))

    def ask(self, *, now: float, slots: int = 2, seconds: float = 0.0) -> int | None:
        """Ask about the next task, and let it come back; its number."""
        popped = self.turns.pop(now=now, slots=slots)
        if popped is None:
            return None
        is_failing = popped[0] == FAILING
        self.turns.began(is_failing=is_failing)
        if is_failing:
            self.turns.failing_ended(seconds=seconds, now=now + seconds, slots=slots)
        return popped[0]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_where_both_wait_all_the_time_one_in_four_requests_is_for_the_failing(rig: Rig) -> None:
    asked = []
    for now in range(40):
        rig.due(well=float(now), failing=0.0)
        asked.append(rig.ask(now=float(now)))

    assert asked.count(FAILING) == 40 / FAILING_SHARE


def test_where_no_other_waits_the_failing_are_asked_about_as_they_are_due(rig: Rig) -> None:
    for now in range(5):
        rig.due(failing=float(now))
        assert rig.ask(now=float(now)) == FAILING


def test_a_failing_task_does_not_overtake_one_that_has_waited_longer(rig: Rig) -> None:
    rig.due(well=1.0, failing=2.0)

    assert [rig.ask(now=3.0), rig.ask(now=3.0), rig.ask(now=3.0)] == [WELL, FAILING, None]


def test_a_probe_prefers_a_task_that_is_well(rig: Rig) -> None:
    rig.due(well=2.0, failing=1.0)

    assert rig.turns.pop(now=3.0, slots=2, is_probe=True) == (WELL, Slot(2.0, 2.0))
    assert rig.turns.pop(now=3.0, slots=2, is_probe=True) == (FAILING, Slot(1.0, 2.0))


@pytest.mark.parametrize(("slots", "at_once"), [(1, 1), (2, 1), (7, 1), (8, 2), (64, 16)])
def test_so_many_slots_may_be_taken_by_the_failing(rig: Rig, slots: int, at_once: int) -> None:
    rig.due(failing=1.0)
    for _ in range(at_once):
        assert rig.turns.next_due(slots=slots) == 1.0
        rig.turns.began(is_failing=True)

    assert rig.turns.next_due(slots=slots) == math.inf


def test_the_only_slot_is_left_to_the_others_three_times_as_long_as_a_failing_task_had_it(rig: Rig) -> None:
    rig.due(failing=1.0)
    assert rig.ask(now=1.0, slots=1, seconds=10.0) == FAILING
    rig.due(failing=12.0)

    assert rig.turns.next_due(slots=1) == 11.0 + 30.0
    assert rig.ask(now=40.0, slots=1) is None
    assert rig.ask(now=41.0, slots=1) == FAILING
