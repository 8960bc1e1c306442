"""The one writer of the ledger: it gathers what is to be made durable and commits it in batches, off the event loop.

Only what a commit has made durable is published. Where this process has the ledger alone, everything goes one lane
(``lane.py``); where several share it, each account that is this one's has a lane of its own, for as long as it is.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from exporter.accounting.series import SHARED, Exemplar, Increments, Series
from exporter.accounting.totals import Joined, Meters
from exporter.clock import Clock
from exporter.ledger.lane import BATCH, Lane
from exporter.ledger.ledger import (
    Aged,
    Batch,
    Books,
    Committed,
    Entry,
    Learnt,
    Ledger,
    LedgerError,
    LedgerView,
    UsurpedError,
)
from exporter.replicas.lease import Fence
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

LONGEST_METERS_SECONDS = 30.0
"""How long they wait at most where many accounts share the thread: one commit that stood still says nothing of all."""

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


class Leases(Protocol):
    """Which accounts are this process's where several share the ledger. All on the event loop."""

    def fence(self, account: str) -> Fence | None:
        """What lets this process write for an account; None where it is not its own."""
        ...

    def committed(self, fence: Fence) -> None:
        """What stood behind this fence is durable."""

    def refused(self, fence: Fence) -> None:
        """The account was found to be another's: whoever follows it lets it go now, and its lane be dropped."""


class LedgerWriter:
    """Owns the ledger's thread. All methods belong to the event loop.

    Being cancelled at any await loses nothing: what was recorded stays with the writer until it is durable.

    Without ``leases`` everything is this process's. With them, ``gain`` opens an account's lane and ``drop`` ends it;
    ``account_of`` says whose a series is. None: it is of this process itself, which is kept in memory alone then. What
    belongs to an account without a lane is dropped: whoever owns it by now sees it for himself.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        metering: Metering = Metering(),
        leases: Leases | None = None,
        account_of: Callable[[Series], str | None] = lambda _series: None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._log = log
        self._metering = metering
        self._leases = leases
        self._account_of = lru_cache(maxsize=SHARED)(account_of)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._whole = Lane() if leases is None else None
        self._lanes: dict[str, Lane] = {}
        self._own = Meters()
        self._local: list[Callable[[Increments], None]] = []
        self._are_other_lanes = asyncio.Event()
        self._has_local = asyncio.Event()
        self._failures = 0
        self._last_commit_at: float | None = None
        self._has_recalled = False

    # ---- what is shown ---------------------------------------------------------------------------------------------

    @property
    def view(self) -> LedgerView:
        """What /metrics shows of the ledger."""
        lanes = self._all()
        return LedgerView(
            pending=sum(lane.pending for lane in lanes),
            failing=any(lane.failures for lane in lanes),
            last_commit_at=self._last_commit_at,
        )

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more tasks should be taken."""
        return sum(len(lane.waiting) for lane in self._all()) >= WAITING_LIMIT

    def shown(self) -> Mapping[Series, float]:
        """What has been added up of every account that is this process's, and of this process itself."""
        parts = [view for lane in self._all() for view in _views(lane)]
        return Joined(*parts) if self._whole else Joined(*parts, self._own.view(live=True))

    def exemplars(self) -> Mapping[Series, Exemplar]:
        """The latest event of each of these series that can show one."""
        return Joined(*(lane.totals.exemplars() for lane in self._all()))

    def clock_stepped(self, by: float) -> None:
        """Date the last commit by the clock as it goes now: a ledger that fails may not get another for long."""
        self._last_commit_at = None if self._last_commit_at is None else self._last_commit_at + by

    # ---- the lanes -------------------------------------------------------------------------------------------------

    async def gain(self, account: str) -> Books:
        """Read what an account has added up, and take what is recorded for it from now on; raise LedgerError where that
        cannot be, as where it is not this process's any more."""
        fence = self._fence(account)
        books = await self._call(lambda: self._ledger.books(account))
        if self._fence(account).epoch != fence.epoch:
            raise LedgerError(f"account {account} was lost while its ledger was read")
        self.drop(account)
        lane = self._lanes[account] = Lane(fence)
        lane.load(books)
        lane.meters.flush_from(lambda _waiting: self._flush_local())
        self._are_other_lanes.set()
        return books

    def drop(self, account: str) -> None:
        """Forget what an account has added up, and all that waits for it: it is another's.

        Of a commit that is under way nothing will be shown.
        """
        self._lanes.pop(account, None)
        self._flush_local()  # what was counted for it until now is not its next tenure's
        self._are_other_lanes.set()

    def _fence(self, account: str) -> Fence:
        fence = self._leases.fence(account) if self._leases else None
        if fence is None:
            raise LedgerError(f"account {account} is not this exporter's")
        return fence

    def _lane(self, account: str) -> Lane | None:
        return self._whole or self._lanes.get(account)

    def _all(self) -> Collection[Lane]:
        return (self._whole,) if self._whole else self._lanes.values()

    def _is_open(self, lane: Lane) -> bool:
        return lane is self._whole or (lane.fence is not None and self._lanes.get(lane.fence.account) is lane)

    # ---- what is recorded ------------------------------------------------------------------------------------------

    def record(self, task: Hashable, entry: Entry) -> None:
        """Make this durable soon; a later entry for the same task may be merged with it."""
        lane = self._whole or self._lanes.get(entry.state.ref.account)
        if lane is not None:
            lane.record(task, entry)

    def forget(self, task: Hashable, account: str) -> None:
        """Let go of what waits for a task that is followed no more, unless it counts something."""
        lane = self._lane(account)
        if lane is not None:
            lane.forget(task)

    def join(self, task: Hashable, into: Hashable, account: str) -> None:
        """A task turned out to be another one: what waits for it and counts something is the other's from now on.

        Were it to wait on its own, behind the other's entry, the ledger would take it for counted by that.
        """
        lane = self._lane(account)
        if lane is not None:
            lane.join(task, into)

    def meter(self, increments: Increments) -> None:
        """Count something that the exporter did; of nothing, that something was counted locally (see flush_from)."""
        if self._whole:
            self._whole.meter(increments)
        elif increments:
            self._share_out(increments)
        else:
            self._has_local.set()

    def mark(self, series: Iterable[Series]) -> None:
        """Make it durable soon that these have been shown at 0."""
        for each in series:
            account = self._account_of(each) if self._leases else None
            lane = self._whole or (self._lanes.get(account) if account is not None else None)
            if lane is not None:
                lane.mark(each)
            elif account is None:
                marked = Increments()
                marked.mark(each.family, each.labels)
                self._own.add(marked)

    def flush_from(self, flush_into: Callable[[Increments], None]) -> None:
        """Let this one add what it has counted locally whenever what waits is looked at."""
        if self._whole:
            self._whole.meters.flush_from(flush_into)
        else:
            self._local.append(flush_into)
            self._own.flush_from(lambda _waiting: self._flush_local())

    def _flush_local(self) -> None:
        self._has_local.clear()
        counted = Increments()
        for flush_into in self._local:
            flush_into(counted)
        self._share_out(counted)

    def _share_out(self, increments: Increments) -> None:
        """Each series to its account's lane, what is nobody's to this process's own."""
        for account, part in self._by_account(increments):
            if account is None:
                self._own.add(part)
            elif account in self._lanes:
                self._lanes[account].meter(part)

    def _by_account(self, increments: Increments) -> Iterator[tuple[str | None, Increments]]:
        accounts = set(map(self._account_of, increments))
        if len(accounts) == 1:  # as nearly always
            yield accounts.pop(), increments
            return
        parts: dict[str | None, Increments] = {account: Increments() for account in accounts}
        for series, by in increments.items():
            parts[self._account_of(series)][series] = by
        yield from parts.items()

    # ---- what is asked at once: each raises LedgerError where it cannot be -----------------------------------------

    async def open(self) -> None:
        """Open the ledger; where it is this process's alone, start from what it has added up."""
        await self._call(self._ledger.open)
        if self._whole:
            try:
                self._whole.load(await self._call(self._ledger.books))
            except LedgerError:
                await self._call(self._ledger.close)
                raise

    async def recall(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        """What is known of these tasks from earlier. Whoever lets a source name a task asks for it first."""
        self._has_recalled = True
        now = self._clock.wall()
        if not refs:
            return {}
        accounts = {ref.account for ref in refs}
        return await self._fenced(accounts, lambda fences: self._ledger.recall(refs, now=now, fences=fences))

    async def kept(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        """What a shared ledger has of these tasks, whoever follows them: to be read, nothing is noted."""
        now = self._clock.wall()
        return await self._call(lambda: self._ledger.recall(refs, now=now))

    async def hint(self, refs: Sequence[TaskRef]) -> None:
        """Tell whoever shares the ledger and follows these tasks to ask about them; see Ledger."""
        now = self._clock.wall()
        await self._call(lambda: self._ledger.hint(refs, now=now))

    async def registrations(self) -> Sequence[Registration]:
        """Every registration."""
        return await self._call(self._ledger.registrations)

    async def registration_versions(self) -> Mapping[str, int]:
        """By account, a number that goes up whenever its registrations change; ask for it before ``registrations``."""
        return await self._call(self._ledger.registration_versions)

    async def registrations_since(
        self, account: str, version: int
    ) -> tuple[Sequence[Registration], Sequence[Registration]]:
        """An account's registrations that are new since it had that version, and those that are gone; see Ledger."""
        return await self._call(lambda: self._ledger.registrations_since(account, version))

    async def register(self, new: Sequence[Registration], items: Sequence[Item]) -> Mapping[TaskRef, TaskState]:
        """Make registrations durable now, and say what is known of their items' tasks.

        Whoever is cancelled does not know whether they are registered: those not yet begun are not, as nobody waits.
        """
        now = self._clock.wall()
        accounts = {item.ref.account for item in items}
        return await self._fenced(accounts, lambda fences: self._ledger.register(new, items, now=now, fences=fences))

    async def unregister(self, gone: Sequence[Registration]) -> None:
        """Make it durable that these are registered no more."""
        now = self._clock.wall()
        await self._call(lambda: self._ledger.unregister(gone, now=now))

    async def aged(
        self, *, retention: float, except_accounts: Collection[str], stepped: float = 0.0, limit: int = AT_ONCE
    ) -> Sequence[Aged]:
        """Some rows to ask ``is it still named?`` about, of all accounts (configured or not) but these; see Ledger.

        Where others have accounts, too: of this process's. ``stepped`` is by how many seconds rows may be dated too
        early.
        """
        before = self._clock.wall() - retention / 2 - stepped
        excepted, accounts = frozenset(except_accounts), None if self._whole else tuple(self._lanes)
        return await self._call(
            lambda: self._ledger.aged(before=before, except_accounts=excepted, limit=limit, accounts=accounts)
        )

    async def prune(self, *, gone: Sequence[Aged], kept: Sequence[Aged]) -> int:
        """Note which of some aged rows belong to tasks that no source names, and which do not; how many were deleted.

        From before ``aged`` until this returns, no list of tasks may be taken.
        """
        now = self._clock.wall()
        accounts = {each.ref.account for each in (*gone, *kept)}
        return await self._fenced(
            accounts, lambda fences: self._ledger.prune(gone=gone, kept=kept, now=now, fences=fences)
        )

    async def learnt(self) -> Sequence[Learnt]:
        """What the cadence has learnt."""
        return await self._call(self._ledger.learnt)

    async def keep_learnt(self, news: Sequence[Learnt], *, limit: int) -> None:
        """Keep what it has learnt since; of all, the latest so many."""
        now = self._clock.wall()
        await self._call(lambda: self._ledger.keep_learnt(news, now=now, limit=limit))

    async def _fenced(self, accounts: Collection[str], write: Callable[[Sequence[Fence]], T]) -> T:
        """Write for those of the accounts that are this process's; where one no longer is, for the others."""
        while True:
            fences = tuple(lane.fence for account, lane in self._lanes.items() if account in accounts and lane.fence)
            try:
                return await self._call(lambda: write(fences))  # noqa: B023 - it is over before the next round
            except UsurpedError as error:
                if not self._is_let_go(error):
                    raise

    def _is_let_go(self, error: UsurpedError) -> bool:
        """Say that an account is another's; whether its lane has been dropped for that."""
        if self._leases is None or error.fence is None:
            return False
        lane = self._lanes.get(error.fence.account)
        self._leases.refused(error.fence)
        return lane is not self._lanes.get(error.fence.account)

    # ---- commits ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit what is recorded, for ever. A lane that fails holds up no other.

        It raises what ends a lane's own loop, which nothing should: else that account alone would stand still, unseen.
        """
        if self._whole:
            await self._serve(self._whole)
        sharing = self._told_of(self._share_out_local())
        serving: dict[Lane, asyncio.Task[None]] = {}
        try:
            while True:
                lanes = set(self._lanes.values())
                for gone in serving.keys() - lanes:
                    serving.pop(gone).cancel()
                for new in lanes - serving.keys():
                    serving[new] = self._told_of(self._serve(new))
                self._are_other_lanes.clear()
                for ended in (task for task in (sharing, *serving.values()) if task.done()):
                    ended.result()
                await self._clock.wait(self._are_other_lanes, None)
        finally:
            for task in (sharing, *serving.values()):
                task.cancel()
            await asyncio.gather(sharing, *serving.values(), return_exceptions=True)

    def _told_of(self, loop: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it; when it ends, ``run`` looks."""
        task = asyncio.create_task(loop)
        task.add_done_callback(lambda _: self._are_other_lanes.set())
        return task

    async def _share_out_local(self) -> None:
        """Wake the lanes of those accounts for which something was counted locally, and no others."""
        while True:
            await self._clock.wait(self._has_local, None)
            await self._clock.sleep(GATHER_SECONDS)
            self._flush_local()

    async def _serve(self, lane: Lane) -> None:
        while True:
            if lane.in_flight is None:  # else it failed, and is tried again though nothing else comes
                await self._clock.wait(lane.has_work, None)
                await self._clock.wait(lane.is_urgent, max(METERS_SECONDS, self._others_seconds(lane)))
            await self._clock.sleep(self._gather_seconds(lane))
            if not await self._commit(lane):
                first, longest = RETRY_SECONDS
                await self._clock.sleep(min(longest, first * 2 ** min(max(lane.failures, 1) - 1, 10)))

    def _gather_seconds(self, lane: Lane) -> float:
        """How long to wait for company, which a full batch has: while a list is looked up, commits take half of the
        thread's time at most."""
        has_recalled, self._has_recalled = self._has_recalled, False
        for_company = 0.0 if len(lane.waiting) >= BATCH else GATHER_SECONDS
        return max(for_company, min(lane.commit_seconds, LONGEST_GATHER_SECONDS) if has_recalled else 0.0)

    def _others_seconds(self, lane: Lane) -> float:
        """How long counters alone wait, so that those of many accounts take half of the thread's time at most."""
        return min(2 * lane.thread_seconds * (len(self._all()) - 1), LONGEST_METERS_SECONDS)

    async def commit(self) -> bool:
        """Commit one batch of each lane now; say whether they (or having nothing to commit) succeeded."""
        return all([await self._commit(lane) for lane in tuple(self._all())])

    async def _commit(self, lane: Lane) -> bool:
        """One at a time; an attempt that is under way goes on when whoever asked for it is cancelled."""
        while lane.attempt is not None:
            await asyncio.wait([lane.attempt])
        return await asyncio.shield(self._begin_attempt(lane))

    async def flush(self, account: str | None = None) -> bool:
        """Commit everything that has been recorded so far, of one account or all, meters too; say whether that
        succeeded."""
        self._flush_local()
        one = self._lane(account) if account is not None else None
        lanes = tuple(self._all()) if account is None else (one,) if one else ()
        return all([await self._flush(lane) for lane in lanes])

    async def _flush(self, lane: Lane) -> bool:
        for _ in range(lane.batches):
            if not await self._commit(lane):
                return False
        return True

    async def close(self, *, deadline: float) -> bool:
        """Commit everything that was recorded, behind whatever is queued, and close the ledger; say whether that is so.

        It takes ``deadline`` seconds at most; within them what fails is tried again. Nothing may be recorded after it.
        """
        self._flush_local()
        by = self._clock.monotonic() + deadline
        is_saved = all(await asyncio.gather(*(self._save(lane, by=by) for lane in self._all())))
        if not is_saved:
            meters = any(lane.has_work.is_set() for lane in self._all())
            failure = next((lane.failure for lane in self._all() if lane.failure), "")
            self._log.error("ledger_closed_with_pending", pending=self.view.pending, meters=meters, error=failure)
        closing = asyncio.ensure_future(self._call(self._ledger.close))
        if await self._ends(closing, by=max(by, self._clock.monotonic() + CLOSING_RETRY_SECONDS)):
            closing.result()
        self._thread.shutdown(wait=False)
        return is_saved

    async def _save(self, lane: Lane, *, by: float) -> bool:
        while self._is_open(lane) and lane.has_more:
            attempt = lane.attempt or self._begin_attempt(lane)
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

    def _begin_attempt(self, lane: Lane) -> asyncio.Task[bool]:
        attempt = lane.attempt = asyncio.create_task(self._try(lane))
        attempt.add_done_callback(lambda ended: _attempt_ended(lane, ended))
        return attempt

    async def _try(self, lane: Lane) -> bool:
        if not self._is_open(lane):
            return True  # what was in it is another's to see
        batch = lane.take()
        if batch is None:
            return True
        started, now = self._clock.monotonic(), self._clock.wall()
        try:
            committed, lane.thread_seconds = await self._call(
                lambda: self._timed(lambda: self._ledger.commit(batch, now=now))
            )
            if committed.is_repeat:  # what it added when it became durable is not known: the ledger knows the sums
                account = batch.fence.account if batch.fence else None
                lane.totals.load((await self._call(lambda: self._ledger.books(account))).totals)
        except UsurpedError as error:
            if not self._is_let_go(error):
                self._failed(lane, error)
            return False
        except Exception as error:  # noqa: BLE001 - the loop must outlive whatever a driver raises
            self._failed(lane, error)
            return False
        self._succeeded(lane, batch, committed, seconds=self._clock.monotonic() - started)
        return True

    def _succeeded(self, lane: Lane, batch: Batch, committed: Committed, *, seconds: float) -> None:
        was_failing = bool(lane.failures)
        lane.settle(batch, committed, seconds=seconds)
        if self._leases and batch.fence:
            self._leases.committed(batch.fence)
        self._last_commit_at = self._clock.wall()
        if was_failing and not any(each.failures for each in self._all()):
            self._log.info("ledger_recovered", failures=self._failures)
            self._failures = 0
        self._meter_itself(self._metering.commit_succeeded(seconds))  # without waking the writer: it would never rest

    def _failed(self, lane: Lane, error: Exception) -> None:
        if not self._is_open(lane):
            return
        told = str(error) if isinstance(error, LedgerError) else f"unexpected {type(error).__name__}: {error}"
        if told not in {each.failure for each in self._all()}:
            self._log.error("ledger_failing", error=told, pending=self.view.pending)
        lane.failure = told
        lane.failures += 1
        self._failures += 1
        self.meter(self._metering.commit_failed())

    def _meter_itself(self, increments: Increments) -> None:
        (self._whole.meters if self._whole else self._own).add(increments)

    def _timed(self, function: Callable[[], T]) -> tuple[T, float]:
        """What it returns, and the seconds that it took, without those that it waited for the thread."""
        started = self._clock.monotonic()
        return function(), self._clock.monotonic() - started

    async def _call(self, function: Callable[[], T]) -> T:
        try:
            running = asyncio.get_running_loop().run_in_executor(self._thread, function)
        except RuntimeError as error:
            raise LedgerError("the ledger is closed") from error
        return await running


def _views(lane: Lane) -> tuple[Mapping[Series, float], Mapping[Series, float]]:
    """What is durable of tasks; and of the exporter itself, what is not yet, too, while commits fail.

    But what another may have next shows nothing that is not durable: the next owner begins below it.
    """
    return lane.totals.view(), lane.meters.view(live=lane.failures > 0 and lane.fence is None)


def _attempt_ended(lane: Lane, attempt: asyncio.Task[bool]) -> None:
    if lane.attempt is attempt:
        lane.attempt = None
