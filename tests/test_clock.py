"""A clock that finds its own steps, and takes nothing else for one."""

import time

import pytest

from exporter.clock import Clock, ClockStep, SystemClock, WatchedClock
from tests.support.fake_clock import FakeClock

HOUR = 3600.0


def watched(clock: Clock) -> tuple[WatchedClock, list[ClockStep]]:
    steps: list[ClockStep] = []
    watch = WatchedClock(clock)
    watch.subscribe(steps.append)
    return watch, steps


@pytest.mark.parametrize("by", [2 * HOUR, -2 * HOUR, 56 * 365 * 24 * HOUR, 1.5, -1.5])
async def test_a_step_is_told_once_before_the_time_is(by: float) -> None:
    fake = FakeClock(wall=1_000_000.0)
    clock, steps = watched(fake)
    await fake.advance(10)
    clock.wall()
    fake.step_wall(by)
    assert clock.wall() == 1_000_010.0 + by
    assert [(step.at, round(step.by, 6)) for step in steps] == [(1_000_010.0 + by, by)]
    await fake.advance(10)
    clock.wall()
    assert len(steps) == 1


async def test_what_a_machine_sleeps_through_is_no_step() -> None:
    fake = FakeClock()
    clock, steps = watched(fake)
    before = clock.wall(), clock.monotonic(), clock.steady()
    fake.suspend(8 * HOUR)
    assert clock.wall() == before[0] + 8 * HOUR
    assert (clock.monotonic(), clock.steady()) == (before[1], before[2] + 8 * HOUR)
    assert not steps


@pytest.mark.parametrize("rate", [0.0005, 0.083, -0.083])
async def test_slewing_is_none_however_long_it_lasts_and_how_seldom_one_looks(rate: float) -> None:
    fake = FakeClock()
    clock, steps = watched(fake)
    for seconds in (1.0,) * 600 + (60.0,) * 10:
        await fake.advance(seconds)
        fake.step_wall(seconds * rate)
        clock.wall()
    assert not steps


async def test_a_clock_that_is_set_after_a_long_sleep_has_stepped() -> None:
    fake = FakeClock()
    clock, steps = watched(fake)
    fake.suspend(8 * HOUR)
    fake.step_wall(-60.0)
    clock.wall()
    assert [step.by for step in steps] == [pytest.approx(-60.0)]


async def test_what_remains_of_two_steps_between_two_looks_is_told() -> None:
    fake = FakeClock()
    clock, steps = watched(fake)
    fake.step_wall(HOUR)
    fake.step_wall(-HOUR)
    clock.wall()
    assert not steps


class Stalling(FakeClock):
    """The whole machine stands still between two readings, once."""

    def __init__(self) -> None:
        super().__init__()
        self.stall = 0.0

    def wall(self) -> float:
        self._move_to(self.monotonic() + self.stall)
        self.stall = 0.0
        return super().wall()


def test_a_pause_between_the_readings_is_no_step() -> None:
    fake = Stalling()
    clock, steps = watched(fake)
    fake.stall = 30.0
    assert clock.wall() == fake.wall()
    clock.wall()
    assert not steps


async def test_steps_forward_are_remembered_for_as_long_as_is_asked() -> None:
    fake = FakeClock()
    clock, _ = watched(fake)
    for by in (30.0, -100.0, 12.0):
        fake.step_wall(by)
        clock.wall()
        await fake.advance(60)
    assert clock.forward_within(1000) == pytest.approx(42.0)
    assert clock.forward_within(100) == pytest.approx(12.0)
    assert clock.forward_within(10) == 0.0


def test_the_systems_clock_stands_still_for_nobody() -> None:
    clock, steps = watched(SystemClock())
    before = clock.steady()
    time.sleep(0.01)
    assert 0.01 <= clock.steady() - before < 5
    assert abs(clock.wall() - time.time()) < 5
    assert not steps
