"""What waits for the ledger behind one fence, and what is durable there: no I/O, on the event loop.

A batch whose commit failed may be durable all the same: it stays as it is, and is committed again under its number
until the ledger has it, while what comes meanwhile waits beside it. What waits is merged by task, so that it takes no
more room than there are tasks.
"""

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from exporter.accounting.series import Increments, Series
from exporter.accounting.totals import Meters, Totals
from exporter.ledger.ledger import Batch, Books, Committed, Entry
from exporter.replicas.lease import Fence

BATCH = 500


@dataclass(frozen=True, slots=True)
class InFlight:
    """A batch that is not known to be durable, and the tasks of its entries."""

    batch: Batch
    tasks: frozenset[Hashable]


class Lane:
    """One account's way into the ledger; or that of everything (``fence`` is None) where it belongs to one process.

    ``failures`` is how many of its last commits failed, ``failure`` why the last one did. The last one that succeeded
    took ``commit_seconds`` in all, and the ledger's thread for ``thread_seconds`` of them.
    """

    def __init__(self, fence: Fence | None = None) -> None:
        self.fence = fence
        self.totals = Totals()
        self.meters = Meters()
        self.waiting: dict[Hashable, Entry] = {}
        self.in_flight: InFlight | None = None
        self.has_work = asyncio.Event()
        self.is_urgent = asyncio.Event()
        self.attempt: asyncio.Task[bool] | None = None
        self.commit_seconds = 0.0
        self.thread_seconds = 0.0
        self.failures = 0
        self.failure = ""
        self._marks = Increments()
        self._number = 0

    def load(self, books: Books) -> None:
        """Start from what the ledger has added up, and number on from its last batch."""
        self.totals.load(books.totals)
        self.meters.load(books.meters)
        self._number = books.batch

    # ---- what is recorded ------------------------------------------------------------------------------------------

    def record(self, task: Hashable, entry: Entry) -> None:
        """Let this wait; a later entry for the same task may be merged with it."""
        earlier = self.waiting.get(task)
        self.waiting[task] = earlier.followed_by(entry) if earlier else entry
        self.has_work.set()
        self.is_urgent.set()

    def forget(self, task: Hashable) -> None:
        """Let go of what waits for a task, unless it counts something."""
        entry = self.waiting.get(task)
        if entry is not None and not entry.counts:
            del self.waiting[task]

    def join(self, task: Hashable, into: Hashable) -> None:
        """What waits for a task and counts something is another's from now on."""
        entry = self.waiting.pop(task, None)
        if entry is not None and entry.counts:
            later = self.waiting.get(into)
            self.waiting[into] = entry.followed_by(later) if later else entry

    def meter(self, increments: Mapping[Series, float]) -> None:
        """Count something that the exporter did."""
        self.meters.add(increments)
        self.has_work.set()

    def mark(self, series: Series) -> None:
        """Make it durable soon that this one has been shown at 0."""
        self._marks.mark(series.family, series.labels)
        self.has_work.set()
        self.is_urgent.set()

    # ---- batches ---------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """How many tasks have something that is not known to be durable."""
        in_flight = self.in_flight.tasks if self.in_flight else ()
        return len(self.waiting) + sum(task not in self.waiting for task in in_flight)

    @property
    def has_more(self) -> bool:
        """Whether anything is still to be made durable."""
        return bool(self.in_flight or self.waiting or self.has_work.is_set())

    @property
    def batches(self) -> int:
        """How many commits it takes to make all of it durable."""
        return (-(-len(self.waiting) // BATCH) or self.has_work.is_set()) + (self.in_flight is not None)

    def take(self) -> Batch | None:
        """The batch to commit now: the very one that is on its way, or the next; None where there is nothing."""
        if self.in_flight is None:
            self.in_flight = self._next()
        return self.in_flight.batch if self.in_flight else None

    def _next(self) -> InFlight | None:
        entries = {task: self.waiting.pop(task) for task in list(islice(self.waiting, BATCH))}
        if not self.waiting:
            self.has_work.clear()
            self.is_urgent.clear()
        marks, self._marks = self._marks, Increments()
        meters = self.meters.take()
        if not (entries or meters or marks):
            return None
        fence = self.fence and replace(self.fence, batch=self._number)
        return InFlight(
            Batch(self._number + 1, tuple(entries.values()), meters, marks, fence),
            frozenset(entries),
        )

    def settle(self, batch: Batch, committed: Committed, *, seconds: float) -> None:
        """The batch is durable, and this is what it added."""
        self.in_flight = None
        self.commit_seconds = seconds
        self._number = batch.number
        self.totals.publish(committed.increments, committed.exemplars)
        self.meters.settle()
        self.failures, self.failure = 0, ""
