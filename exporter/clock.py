"""Time as a parameter: whoever waits or dates something is given a clock."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the exporter needs of time."""

    def wall(self) -> float:
        """Unix time in seconds: it dates what is shown and stored, and may step."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point: it schedules, and never steps."""
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

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True
