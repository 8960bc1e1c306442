"""The one writer of the ledger: it gathers what is to be made durable and commits it in groups, off the event loop.

Only what a commit has made durable is published. When a commit fails, its entries wait, merged by task so that they
take no more room than there are tasks, and nothing that was counted is counted again: the ledger itself decides that.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from exporter.accounting.series import Increments, Series
from exporter.accounting.totals import Aggregates
from exporter.clock import Clock
from exporter.ledger.entry import Committed, Entry
from exporter.ledger.errors import LedgerError
from exporter.metrics.events import count_commit, count_ledger_failure
from exporter.metrics.snapshot import LedgerView
from exporter.tasks.identity import IdKey, TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.state import TaskState

T = TypeVar("T")

GATHER_SECONDS = 0.05
"""How long a commit waits for company."""

METERS_SECONDS = 0.5
"""How long the exporter's own counters may wait where no task has news."""

BATCH = 500

RETRY_SECONDS = (1.0, 10.0)
"""The first and the longest wait after a failed commit."""


class Ledger(Protocol):
    """What the writer needs of a ledger; every call blocks and may raise LedgerError."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def totals(self) -> dict[Series, float]: ...
    def recall(self, refs: Sequence[TaskRef]) -> dict[TaskRef, TaskState]: ...
    def commit(self, entries: Sequence[Entry], meters: Increments, *, now: float) -> Committed: ...
    def prune(self, *, before: float, followed: Collection[IdKey]) -> int: ...
    def registrations(self) -> list[Registration]: ...
    def register(
        self, new: Sequence[Registration], items: Sequence[Item], *, now: float
    ) -> Mapping[TaskRef, TaskState]: ...
    def unregister(self, gone: Sequence[Registration]) -> None: ...


class LedgerWriter:
    """Owns the ledger's thread. All methods belong to the event loop."""

    def __init__(self, ledger: Ledger, *, aggregates: Aggregates, clock: Clock, log: FilteringBoundLogger) -> None:
        self._ledger = ledger
        self._aggregates = aggregates
        self._clock = clock
        self._log = log
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: dict[Hashable, Entry] = {}
        self._in_commit: dict[Hashable, Entry] = {}
        self._has_work = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._committing = asyncio.Lock()
        self._failures = 0
        self._last_commit_at: float | None = None

    @property
    def view(self) -> LedgerView:
        """What /metrics shows of the ledger."""
        pending = len(self._waiting) + len(self._in_commit)
        return LedgerView(pending=pending, failing=self._failures > 0, last_commit_at=self._last_commit_at)

    async def open(self) -> None:
        """Open the ledger and start from its totals; raise LedgerError where that cannot be."""
        await self._call(self._ledger.open)
        self._aggregates.load(await self._call(self._ledger.totals))

    def record(self, task: Hashable, entry: Entry) -> None:
        """Make this durable soon; a later entry for the same task may be merged with it."""
        earlier = self._waiting.get(task)
        self._waiting[task] = earlier.followed_by(entry) if earlier else entry
        self._has_work.set()
        self._is_urgent.set()

    def meter(self, increments: Increments) -> None:
        """Count something that the exporter did."""
        self._aggregates.meter(increments)
        self._has_work.set()

    async def recall(self, refs: Sequence[TaskRef]) -> dict[TaskRef, TaskState]:
        """What is known of these tasks from earlier; raise LedgerError where it cannot be read."""
        return await self._call(lambda: self._ledger.recall(refs)) if refs else {}

    async def prune(self, *, before: float, followed: Collection[IdKey]) -> bool:
        """Delete some old rows; say whether none are left. A failure is logged, and left to the next call."""
        try:
            gone = await self._call(lambda: self._ledger.prune(before=before, followed=followed))
        except LedgerError as error:
            self._log.warning("ledger_prune_failed", error=str(error))
            return True
        return gone == 0

    async def registrations(self) -> list[Registration]:
        """Every registration; raise LedgerError where they cannot be read."""
        return await self._call(self._ledger.registrations)

    async def register(self, new: Sequence[Registration], items: Sequence[Item]) -> Mapping[TaskRef, TaskState]:
        """Make registrations durable now, and say what is known of their items' tasks; raise LedgerError if unable."""
        now = self._clock.wall()
        return await self._call(lambda: self._ledger.register(new, items, now=now))

    async def unregister(self, gone: Sequence[Registration]) -> None:
        """Make it durable that these are registered no more; raise LedgerError where that cannot be."""
        await self._call(lambda: self._ledger.unregister(gone))

    async def run(self) -> None:
        """Commit what is recorded, for ever; it never raises."""
        while True:
            await self._clock.wait(self._has_work, None)
            await self._clock.wait(self._is_urgent, METERS_SECONDS)
            await self._clock.sleep(GATHER_SECONDS)
            if not await self.commit():
                first, longest = RETRY_SECONDS
                await self._clock.sleep(min(longest, first * 2 ** min(self._failures - 1, 10)))

    async def commit(self) -> bool:
        """Commit one group now; say whether it (or having nothing to commit) succeeded."""
        async with self._committing:
            entries, meters = self._take()
            if not entries and not meters:
                return True
            started = self._clock.monotonic()
            try:
                committed = await self._write(list(entries.values()), meters)
            except LedgerError as error:
                self._failed(entries, meters, error)
                return False
            except Exception as error:  # noqa: BLE001 - the loop must outlive whatever a driver raises
                self._failed(entries, meters, LedgerError(f"unexpected {type(error).__name__}"))
                return False
            self._succeeded(committed, seconds=self._clock.monotonic() - started)
            return True

    async def flush(self) -> bool:
        """Commit everything that was recorded; say whether that succeeded."""
        while self._waiting or self._in_commit:
            if not await self.commit():
                return False
        return True

    async def close(self) -> None:
        """Commit what is left, if the ledger lets it, and close the ledger."""
        while self._waiting or self._has_work.is_set():
            if not await self.commit():
                self._log.error("ledger_closed_with_pending", pending=self.view.pending)
                break
        await self._call(self._ledger.close)
        self._thread.shutdown(wait=False)

    def _take(self) -> tuple[Mapping[Hashable, Entry], Increments]:
        self._in_commit = {task: self._waiting.pop(task) for task in list(islice(self._waiting, BATCH))}
        if not self._waiting:
            self._has_work.clear()
            self._is_urgent.clear()
        return self._in_commit, self._aggregates.take_meters()

    async def _write(self, entries: Sequence[Entry], meters: Increments) -> Committed:
        now = self._clock.wall()
        committed = await self._call(lambda: self._ledger.commit(entries, meters, now=now))
        if self._failures:
            # A commit that reported a failure may have been durable all the same: the ledger knows.
            self._aggregates.load(await self._call(self._ledger.totals))
            return Committed(Increments(), committed.exemplars)
        return committed

    def _succeeded(self, committed: Committed, *, seconds: float) -> None:
        self._in_commit = {}
        self._aggregates.publish(committed.increments, committed.exemplars)
        self._last_commit_at = self._clock.wall()
        if self._failures:
            self._log.info("ledger_recovered", failures=self._failures)
            self._failures = 0
        self._aggregates.meter(count_commit(seconds))  # without waking the writer: it would never rest

    def _failed(self, entries: Mapping[Hashable, Entry], meters: Increments, error: LedgerError) -> None:
        merged = {
            task: entry.followed_by(self._waiting[task]) if task in self._waiting else entry
            for task, entry in entries.items()
        }
        self._waiting = merged | {task: entry for task, entry in self._waiting.items() if task not in merged}
        self._in_commit = {}
        self._aggregates.give_back(meters)
        if not self._failures:
            self._log.error("ledger_failing", error=str(error), pending=len(self._waiting))
        self._failures += 1
        self.meter(count_ledger_failure())

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)
