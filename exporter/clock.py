"""Time as a parameter: whoever waits or dates something is given a clock, and one that finds its own steps."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

STEP = 1.0
"""The wall clock has stepped where it has moved against the steady one by more seconds than this,"""

SLEW = 0.1
"""and than this part of the seconds since the last look: so fast NTP may slew it (chrony does a twelfth),"""

SLEWED = 60.0
"""which are so many at most: a machine asleep slews nothing."""

READING = 0.05
"""The two are compared where so many seconds at most lie between the readings, and not the pause of a whole machine."""

STEPS = 100
"""So many steps are remembered."""


class Clock(Protocol):
    """What the exporter needs of time."""

    def wall(self) -> float:
        """Unix time in seconds: it dates what is shown and stored, and may step."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point: it schedules, and never steps. It may stand still on a machine asleep."""
        ...

    def steady(self) -> float:
        """Seconds since some fixed point, those asleep too: it tells whether the wall clock has stepped."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Wait until the event is set, that many seconds at most; say whether it is."""
        ...


class SystemClock:
    """The clock of the machine and of the running event loop."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    if sys.platform == "linux":
        steady = staticmethod(partial(time.clock_gettime, time.CLOCK_BOOTTIME))
    else:  # macOS: its monotonic clock goes on asleep
        steady = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock went on by so many seconds more (or less) than time did, to ``at`` (Unix seconds)."""

    at: float
    by: float


class WatchedClock:
    """Another clock, whose steps are told before anybody is given a time from after them.

    Wall time is for one thread. What a machine does asleep is no step, nor is slewing; two steps between two looks are
    one, of what remains of them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: list[Callable[[ClockStep], None]] = []
        self._steps: deque[tuple[float, float]] = deque(maxlen=STEPS)
        self._looked_at = clock.steady()
        self._ahead = clock.wall() - self._looked_at
        self.monotonic = clock.monotonic
        self.steady = clock.steady
        self.sleep = clock.sleep
        self.wait = clock.wait

    def subscribe(self, listener: Callable[[ClockStep], None]) -> None:
        """Tell this one of every step from now on; it has to be quick."""
        self._listeners.append(listener)

    def wall(self) -> float:
        steady, wall = self._clock.steady(), self._clock.wall()
        ahead = wall - steady
        if -STEP <= ahead - self._ahead <= STEP:
            self._looked_at, self._ahead = steady, ahead
            return wall
        return self._look_closely()

    def forward_within(self, seconds: float) -> float:
        """By how much it has stepped forward, all in all, in so many last seconds."""
        since = self._clock.steady() - seconds
        return sum(by for at, by in self._steps if at >= since and by > 0)

    def _look_closely(self) -> float:
        steady, wall = self._read()
        by, slewed = wall - steady - self._ahead, SLEW * min(steady - self._looked_at, SLEWED)
        self._looked_at, self._ahead = steady, wall - steady
        if abs(by) > STEP + slewed:
            self._steps.append((steady, by))
            for tell in self._listeners:
                tell(ClockStep(at=wall, by=by))
        return wall

    def _read(self) -> tuple[float, float]:
        """Both clocks, read in one go."""
        while True:
            before, wall = self._clock.steady(), self._clock.wall()
            if self._clock.steady() - before <= READING:
                return before, wall
