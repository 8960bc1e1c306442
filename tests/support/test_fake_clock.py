import asyncio

import pytest

from exporter.clock import Clock
from tests.support.fake_clock import FakeClock


async def test_sleepers_wake_in_order_and_in_their_own_time() -> None:
    clock = FakeClock(wall=0.0, monotonic=0.0)
    woken: list[tuple[str, float, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        while True:
            await clock.sleep(seconds)
            woken.append((name, clock.monotonic(), clock.wall()))

    tasks = [asyncio.create_task(sleeper("slow", 3.0)), asyncio.create_task(sleeper("fast", 2.0))]
    await clock.advance(4.5)
    assert woken == [("fast", 2.0, 2.0), ("slow", 3.0, 3.0), ("fast", 4.0, 4.0)]
    assert (clock.monotonic(), clock.sleeping) == (4.5, 2)
    for task in tasks:
        task.cancel()
    await clock.advance(10)
    assert (len(woken), clock.sleeping) == (3, 0)


@pytest.mark.parametrize(("seconds", "by_event"), [(5.0, False), (None, True)])
async def test_waiting_ends_by_time_or_by_the_event(seconds: float | None, by_event: bool) -> None:
    clock: Clock = FakeClock()
    assert isinstance(clock, FakeClock)
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, seconds))
    await clock.advance(4)
    assert not waiting.done()
    if by_event:
        event.set()
    await clock.advance(1)
    assert await waiting is by_event
    assert clock.sleeping == 0
    event.set()
    assert await clock.wait(event, 0.0)


async def test_no_time_passes_in_a_sleep_of_none() -> None:
    clock = FakeClock()
    before = clock.monotonic()
    await clock.sleep(0)
    clock.step_wall(-3600.0)
    assert clock.monotonic() == before


async def test_who_sleeps_through_a_leap_wakes_late() -> None:
    clock = FakeClock(wall=0.0, monotonic=0.0)
    sleeping = asyncio.create_task(clock.sleep(5))
    await clock.leap(3600)
    assert sleeping.done()
    assert (clock.monotonic(), clock.wall(), clock.sleeping) == (3600.0, 3600.0, 0)
