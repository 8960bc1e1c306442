"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from itertools import count

# So many turns of the loop let a woken task run on to its next wait; a turn without ready tasks costs microseconds.
_TURNS = 50


class FakeClock:
    """``exporter.clock.Clock`` for tests: ``advance`` moves both times and wakes who sleeps, in order."""

    def __init__(self, *, wall: float = 1_780_000_000.0, monotonic: float = 1_000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._asleep = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def steady(self) -> float:
        return self._monotonic + self._asleep

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        await self._alarm(seconds)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        if event.is_set():
            return True
        setting = asyncio.ensure_future(event.wait())
        waits = {setting} if seconds is None else {setting, asyncio.ensure_future(self.sleep(seconds))}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return event.is_set()

    async def advance(self, seconds: float = 0.0) -> None:
        """Let that many seconds pass, stopping at each moment someone wakes so that what follows runs in its time."""
        await self.settle()
        target = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            at, _, sleeper = heapq.heappop(self._sleepers)
            if sleeper.done():  # cancelled meanwhile
                continue
            self._move_to(at)
            sleeper.set_result(None)
            await self.settle()
        self._move_to(target)
        await self.settle()

    async def leap(self, seconds: float) -> None:
        """Let that many seconds pass at once, as on a machine that was suspended: who sleeps wakes late."""
        await self.settle()
        self._move_to(self._monotonic + seconds)
        await self.advance()

    async def settle(self) -> None:
        """Let every task run that can."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does."""
        self._wall += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine be asleep for so long: time passes, and the clock that schedules stands still."""
        self._wall += seconds
        self._asleep += seconds

    @property
    def sleeping(self) -> int:
        """How many wait for the time to come."""
        return sum(not sleeper.done() for _, _, sleeper in self._sleepers)

    async def _alarm(self, seconds: float) -> None:
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), sleeper))
        await sleeper

    def _move_to(self, monotonic: float) -> None:
        self._wall += max(0.0, monotonic - self._monotonic)
        self._monotonic = max(monotonic, self._monotonic)
