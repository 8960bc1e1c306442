"""The one writer of the ledger: it gathers what is to be made durable and commits it in batches, off the event loop.

Only what a commit has made durable is published. A batch whose commit failed may be durable all the same: it stays as
it is, and is committed again under its number until the ledger has it, while what comes meanwhile waits beside it. What
waits is merged by task, so that it takes no more room than there are tasks.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from exporter.accounting.series import Increments, Series
from exporter.accounting.totals import Meters, Totals
from exporter.clock import Clock
from exporter.ledger.ledger import Aged, Batch, Committed, Entry, Learnt, Ledger, LedgerError, LedgerView
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.state import TaskState

T = TypeVar("T")

GATHER_SECONDS = 0.05
"""How long a commit waits for company, unless a whole batch waits."""

LONGEST_GATHER_SECONDS = 1.0
"""How long it waits at most where a slow disk would leave no time for lists of tasks, which must be looked up first."""

METERS_SECONDS = 0.5
"""How long the exporter's own counters may wait where no task has news."""

RENEW_SECONDS = 5.0
"""How often a ledger that others reach, too, is told that this process is there: thrice in the time of a lease."""

BATCH = 500

RETRY_SECONDS = (1.0, 10.0)
"""The first and the longest wait after a failed commit."""

CLOSING_RETRY_SECONDS = 0.25
"""The wait after a failed commit while closing."""

WAITING_LIMIT = 100_000
"""Beyond so many waiting entries the writer is full."""

AT_ONCE = 500
"""So many rows are looked at by one step of the pruning."""


@dataclass(frozen=True, slots=True)
class Metering:
    """What the writer's own events add to the meters."""

    commit_succeeded: Callable[[float], Increments] = lambda _seconds: Increments()
    commit_failed: Callable[[], Increments] = Increments


@dataclass(frozen=True, slots=True)
class _InFlight:
    """A batch that is not known to be durable, and the tasks of its entries."""

    batch: Batch
    tasks: Collection[Hashable]


class LedgerWriter:
    """Owns the ledger's thread. All methods belong to the event loop.

    Being cancelled at any await loses nothing: what was recorded stays with the writer until it is durable.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        totals: Totals,
        meters: Meters,
        clock: Clock,
        log: FilteringBoundLogger,
        metering: Metering = Metering(),
    ) -> None:
        self._ledger = ledger
        self._totals = totals
        self._meters = meters
        self._clock = clock
        self._log = log
        self._metering = metering
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: dict[Hashable, Entry] = {}
        self._marks = Increments()
        self._in_flight: _InFlight | None = None
        self._last_number = 0
        self._attempt: asyncio.Task[bool] | None = None
        self._has_work = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._failures = 0
        self._failure = ""
        self._last_commit_at: float | None = None
        self._commit_seconds = 0.0
        self._has_recalled = False

    # ---- what is shown ---------------------------------------------------------------------------------------------

    @property
    def view(self) -> LedgerView:
        """What /metrics shows of the ledger."""
        in_flight = self._in_flight.tasks if self._in_flight else ()
        pending = len(self._waiting) + sum(task not in self._waiting for task in in_flight)
        return LedgerView(pending=pending, failing=self._failures > 0, last_commit_at=self._last_commit_at)

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more tasks should be taken."""
        return len(self._waiting) >= WAITING_LIMIT

    def clock_stepped(self, by: float) -> None:
        """Date the last commit by the clock as it goes now: a ledger that fails may not get another for long."""
        self._last_commit_at = None if self._last_commit_at is None else self._last_commit_at + by

    # ---- what is recorded ------------------------------------------------------------------------------------------

    def record(self, task: Hashable, entry: Entry) -> None:
        """Make this durable soon; a later entry for the same task may be merged with it."""
        earlier = self._waiting.get(task)
        self._waiting[task] = earlier.followed_by(entry) if earlier else entry
        self._has_work.set()
        self._is_urgent.set()

    def forget(self, task: Hashable) -> None:
        """Let go of what waits for a task that is followed no more, unless it counts something."""
        entry = self._waiting.get(task)
        if entry is not None and not entry.counts:
            del self._waiting[task]

    def join(self, task: Hashable, into: Hashable) -> None:
        """A task turned out to be another one: what waits for it and counts something is the other's from now on.

        Were it to wait on its own, behind the other's entry, the ledger would take it for counted by that.
        """
        entry = self._waiting.pop(task, None)
        if entry is not None and entry.counts:
            later = self._waiting.get(into)
            self._waiting[into] = entry.followed_by(later) if later else entry

    def meter(self, increments: Increments) -> None:
        """Count something that the exporter did."""
        self._meters.add(increments)
        self._has_work.set()

    def mark(self, series: Iterable[Series]) -> None:
        """Make it durable soon that these have been shown at 0."""
        for each in series:
            self._marks.mark(each.family, each.labels)
        self._has_work.set()
        self._is_urgent.set()

    # ---- what is asked at once: each raises LedgerError where it cannot be -----------------------------------------

    async def open(self) -> None:
        """Open the ledger and start from what it has added up."""
        await self._call(self._ledger.open)
        try:
            books = await self._call(self._ledger.books)
        except LedgerError:
            await self._call(self._ledger.close)
            raise
        self._totals.load(books.totals)
        self._meters.load(books.meters)
        self._last_number = books.batch

    async def recall(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        """What is known of these tasks from earlier. Whoever lets a source name a task asks for it first."""
        self._has_recalled = True
        now = self._clock.wall()
        return await self._call(lambda: self._ledger.recall(refs, now=now)) if refs else {}

    async def registrations(self) -> Sequence[Registration]:
        """Every registration."""
        return await self._call(self._ledger.registrations)

    async def register(self, new: Sequence[Registration], items: Sequence[Item]) -> Mapping[TaskRef, TaskState]:
        """Make registrations durable now, and say what is known of their items' tasks.

        Whoever is cancelled does not know whether they are registered: those not yet begun are not, as nobody waits.
        """
        now = self._clock.wall()
        return await self._call(lambda: self._ledger.register(new, items, now=now))

    async def unregister(self, gone: Sequence[Registration]) -> None:
        """Make it durable that these are registered no more."""
        now = self._clock.wall()
        await self._call(lambda: self._ledger.unregister(gone, now=now))

    async def aged(
        self, *, retention: float, except_accounts: Collection[str], stepped: float = 0.0, limit: int = AT_ONCE
    ) -> Sequence[Aged]:
        """Some rows to ask ``is it still named?`` about, of all accounts (configured or not) but these; see Ledger.

        ``stepped`` is by how many seconds rows may be dated too early.
        """
        before = self._clock.wall() - retention / 2 - stepped
        excepted = frozenset(except_accounts)
        return await self._call(lambda: self._ledger.aged(before=before, except_accounts=excepted, limit=limit))

    async def prune(self, *, gone: Sequence[Aged], kept: Sequence[Aged]) -> int:
        """Note which of some aged rows belong to tasks that no source names, and which do not; how many were deleted.

        From before ``aged`` until this returns, no list of tasks may be taken.
        """
        now = self._clock.wall()
        return await self._call(lambda: self._ledger.prune(gone=gone, kept=kept, now=now))

    async def learnt(self) -> Sequence[Learnt]:
        """What the cadence has learnt."""
        return await self._call(self._ledger.learnt)

    async def keep_learnt(self, news: Sequence[Learnt], *, limit: int) -> None:
        """Keep what it has learnt since; of all, the latest so many."""
        now = self._clock.wall()
        await self._call(lambda: self._ledger.keep_learnt(news, now=now, limit=limit))

    # ---- commits ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit what is recorded, for ever; it never raises."""
        while True:
            await self._clock.wait(self._has_work, None)
            await self._clock.wait(self._is_urgent, METERS_SECONDS)
            await self._clock.sleep(self._gather_seconds())
            if not await self.commit():
                first, longest = RETRY_SECONDS
                await self._clock.sleep(min(longest, first * 2 ** min(self._failures - 1, 10)))

    async def keep(self) -> None:
        """Let no other process take the ledger over while this one lives; it never raises."""
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            try:
                await self._call(self._ledger.renew)
            except Exception as error:  # noqa: BLE001 - likewise
                self._failed(error)  # a commit would be refused, too: the next one finds out whether it still is

    def _gather_seconds(self) -> float:
        """How long to wait for company, which a full batch has: while a list is looked up, commits take half of the
        thread's time at most."""
        has_recalled, self._has_recalled = self._has_recalled, False
        for_company = 0.0 if len(self._waiting) >= BATCH else GATHER_SECONDS
        return max(for_company, min(self._commit_seconds, LONGEST_GATHER_SECONDS) if has_recalled else 0.0)

    async def commit(self) -> bool:
        """Commit one batch now; say whether it (or having nothing to commit) succeeded.

        One at a time; an attempt that is under way goes on when whoever asked for it is cancelled.
        """
        while self._attempt is not None:
            await asyncio.wait([self._attempt])
        return await asyncio.shield(self._begin_attempt())

    async def flush(self) -> bool:
        """Commit everything that has been recorded so far, meters too; say whether that succeeded."""
        batches = -(-len(self._waiting) // BATCH) or self._has_work.is_set()
        for _ in range(batches + (self._in_flight is not None)):
            if not await self.commit():
                return False
        return True

    async def close(self, *, deadline: float) -> bool:
        """Commit everything that was recorded, behind whatever is queued, and close the ledger; say whether that is so.

        It takes ``deadline`` seconds at most; within them what fails is tried again. Nothing may be recorded after it.
        """
        by = self._clock.monotonic() + deadline
        is_saved = await self._save_all(by=by)
        if not is_saved:
            pending, meters = self.view.pending, self._has_work.is_set()
            self._log.error("ledger_closed_with_pending", pending=pending, meters=meters, error=self._failure)
        closing = asyncio.ensure_future(self._call(self._ledger.close))
        if await self._ends(closing, by=max(by, self._clock.monotonic() + CLOSING_RETRY_SECONDS)):
            closing.result()
        self._thread.shutdown(wait=False)
        return is_saved

    async def _save_all(self, *, by: float) -> bool:
        while self._in_flight or self._waiting or self._has_work.is_set():
            attempt = self._attempt or self._begin_attempt()
            if not await self._ends(attempt, by=by):
                return False  # it may still become durable: the thread goes on
            if attempt.cancelled() or not attempt.result():
                left = by - self._clock.monotonic()
                if left <= 0:
                    return False
                await self._clock.sleep(min(left, CLOSING_RETRY_SECONDS))
        return True

    async def _ends(self, task: asyncio.Future[T], *, by: float) -> bool:
        """Wait for a task, until then at most, and never cancel it; say whether it has ended."""
        ended = asyncio.Event()
        task.add_done_callback(lambda _: ended.set())
        return await self._clock.wait(ended, max(0.0, by - self._clock.monotonic()))

    def _begin_attempt(self) -> asyncio.Task[bool]:
        attempt = self._attempt = asyncio.create_task(self._try())
        attempt.add_done_callback(self._attempt_ended)
        return attempt

    def _attempt_ended(self, attempt: asyncio.Task[bool]) -> None:
        if self._attempt is attempt:
            self._attempt = None

    async def _try(self) -> bool:
        in_flight = self._in_flight = self._in_flight or self._next_batch()
        if in_flight is None:
            return True
        started, now = self._clock.monotonic(), self._clock.wall()
        try:
            committed = await self._call(lambda: self._ledger.commit(in_flight.batch, now=now))
            if committed.is_repeat:  # what it added when it became durable is not known: the ledger knows the sums
                self._totals.load((await self._call(self._ledger.books)).totals)
        except Exception as error:  # noqa: BLE001 - the loop must outlive whatever a driver raises
            self._failed(error)
            return False
        self._succeeded(in_flight.batch, committed, seconds=self._clock.monotonic() - started)
        return True

    def _next_batch(self) -> _InFlight | None:
        entries = {task: self._waiting.pop(task) for task in list(islice(self._waiting, BATCH))}
        if not self._waiting:
            self._has_work.clear()
            self._is_urgent.clear()
        marks, self._marks = self._marks, Increments()
        meters = self._meters.take()
        if not (entries or meters or marks):
            return None
        return _InFlight(Batch(self._last_number + 1, tuple(entries.values()), meters, marks), tuple(entries))

    def _succeeded(self, batch: Batch, committed: Committed, *, seconds: float) -> None:
        self._in_flight = None
        self._commit_seconds = seconds
        self._last_number = batch.number
        self._totals.publish(committed.increments, committed.exemplars)
        self._meters.settle()
        self._last_commit_at = self._clock.wall()
        if self._failures:
            self._log.info("ledger_recovered", failures=self._failures)
            self._failures, self._failure = 0, ""
        self._meters.add(self._metering.commit_succeeded(seconds))  # without waking the writer: it would never rest

    def _failed(self, error: Exception) -> None:
        told = str(error) if isinstance(error, LedgerError) else f"unexpected {type(error).__name__}: {error}"
        if told != self._failure:
            self._failure = told
            self._log.error("ledger_failing", error=self._failure, pending=self.view.pending)
        self._failures += 1
        self.meter(self._metering.commit_failed())

    async def _call(self, function: Callable[[], T]) -> T:
        try:
            running = asyncio.get_running_loop().run_in_executor(self._thread, function)
        except RuntimeError as error:
            raise LedgerError("the ledger is closed") from error
        return await running
