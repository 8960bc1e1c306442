"""A listener for sources, and surroundings to run them in."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

import httpx
import structlog

from exporter.clock import Clock
from exporter.discovery.source import Source, Surroundings
from exporter.ledger.ledger import LedgerError
from exporter.settings.model import TargetSettings

PATIENCE = 5.0
LOOK = 0.01


class Ears:
    """Notes what a source reports. While ``is_deaf`` it takes nothing, as when the ledger cannot be read."""

    def __init__(self) -> None:
        self.lists: list[tuple[TargetSettings, ...]] = []
        self.refreshes = 0
        self.failures: list[tuple[str, ...]] = []
        self.is_deaf = False

    async def found(self, targets: Sequence[TargetSettings]) -> None:
        if self.is_deaf:
            raise LedgerError("the disk is gone")
        self.lists.append(tuple(targets))

    def refreshed(self) -> None:
        self.refreshes += 1

    def failed(self, *reasons: str) -> None:
        self.failures.append(reasons)

    @property
    def ids(self) -> list[str]:
        """Every id that was found last, in order."""
        last = self.lists[-1] if self.lists else ()
        return [name for target in last for name in (*target.task_ids, *target.out_task_ids)]

    @property
    def rounds(self) -> int:
        """How many refreshes came to an end."""
        return self.refreshes + len(self.failures)

    async def after_refresh(self, cause: Awaitable[None]) -> None:
        """Wait for what causes a refresh, and in real time until it came to an end."""
        before = self.rounds
        await cause
        await self.until(lambda: self.rounds > before)

    async def until(self, look: Callable[[], object]) -> None:
        """Wait in real time until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not look():
            assert time.monotonic() < deadline, (self.lists, self.failures, self.refreshes)
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def running(
    source: Source, *, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Ears]:
    """Run a source; it must not end by itself."""
    ears = Ears()
    log = structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[])
    task = asyncio.create_task(source.run(ears, Surroundings(clock, Random(1), log, transport)))
    try:
        yield ears
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
