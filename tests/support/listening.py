"""A listener for sources, and what they need to run."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from types import FrameType

import httpx
import structlog

import exporter
from exporter.clock import Clock
from exporter.discovery.items import Items
from exporter.discovery.source import Source, SourceDependencies
from exporter.ledger.ledger import LedgerError
from exporter.tasks.item import Item

PATIENCE = 20.0
LOOK = 0.01


class Ears:
    """Notes what a source reports. While ``is_deaf`` it takes nothing, as when the ledger cannot be read."""

    def __init__(self) -> None:
        self.lists: list[Items] = []
        self.is_whole = False
        self.refreshes = 0
        self.failures: list[tuple[str, ...]] = []
        self.is_deaf = False

    async def found(self, items: Sequence[Item], *, is_whole: bool) -> None:
        if self.is_deaf:
            raise LedgerError("the disk is gone")
        self.lists.append(Items(items))
        self.is_whole = is_whole

    def refreshed(self) -> None:
        self.refreshes += 1

    def failed(self, *reasons: str) -> None:
        self.failures.append(reasons)

    @property
    def ids(self) -> list[str]:
        """Every id that was found last, in order."""
        last = self.lists[-1] if self.lists else ()
        return [str(item.ref.task_id or item.ref.out_task_id) for item in last]

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
    task = asyncio.create_task(source.run(ears, SourceDependencies(clock, Random(1), log, transport)))
    try:
        yield ears
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Calls:
    """How many calls this thread has made of the exporter's code."""

    count = 0

    def note(self, frame: FrameType, event: str, _: object) -> None:
        # what a dataclass generates, such as a comparison, has no file
        if event == "call" and frame.f_code.co_filename.startswith((_OURS, "<string>")):
            self.count += 1


_OURS = str(Path(exporter.__file__).parent)


@contextmanager
def calls_counted() -> Iterator[Calls]:
    """Count the calls that this thread, be it the event loop's, makes of the exporter's code."""
    calls = Calls()
    sys.setprofile(calls.note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
