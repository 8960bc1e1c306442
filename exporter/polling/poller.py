"""The loop that asks about the tasks of one account.

As many workers as the account may have requests in flight: one of them waits for what is due and for the account's
permit, the others ask, or listen to a stream. A task is either scheduled or being asked about, never both, so no two
queries for it can overlap. Whatever is learnt goes to the intake, and comes back from there as changes, whoever learnt
it.

A task whose queries fail is scheduled apart: it is asked less and less often, and all such tasks together never take
more than a share of the account's requests (``Shares``). So they slow no other task.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.dispatcher.answer import Blame, DispatcherError
from exporter.polling import streams
from exporter.polling.answered import Answered
from exporter.polling.cadence import Cadence
from exporter.polling.fair import FairSchedule
from exporter.polling.schedule import Slot
from exporter.polling.shares import Shares
from exporter.polling.streams import Permit
from exporter.tasks.identity import IdKey, TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.latest import Latest
from exporter.tasks.tracker import Change, ChangeKind
from exporter.tasks.view import Course, TaskView

PROBE_PATIENCE = 5.0
"""So many seconds a probe waits for a task that was answered well; then it is of whichever is due."""

LEAVE_SECONDS = 0.25
"""So often it is looked whether the account may be asked for again, where it may not."""

MISSES_KEPT = 500
"""Of so many tasks it is remembered why their last query failed."""

SMOOTHING = 0.1
"""The weight of the latest request in the mean latency."""


class Account(streams.Account, Protocol):
    """What a poller needs of an account."""

    @property
    def max_in_flight(self) -> int: ...
    def permit_at_once(self) -> Permit | None: ...


class Tasks(Protocol):
    """Where a poller looks at tasks."""

    def course(self, number: int) -> Course | None: ...
    def view(self, number: int) -> TaskView | None: ...
    def name(self, number: int) -> tuple[TaskRef, TaskLabels] | None: ...


class Lag(Protocol):
    """Whoever counts how late polls are."""

    def polled(self, account: str, *, lag: float) -> None: ...


class Miss(msgspec.Struct, frozen=True, gc=False):
    """A query of a task that got no answer: when (Unix seconds), and why, free of secrets."""

    at: float
    why: str


class Outlook(msgspec.Struct, frozen=True, gc=False):
    """How the polling of one task goes on.

    ``due_in`` is seconds, less than 0 where it is late, None where nothing is scheduled. ``failures`` are queries in a
    row that failed by the task's own fault; ``last_miss`` is kept of the tasks that failed last.
    """

    due_in: float | None
    is_asked: bool = False
    is_streamed: bool = False
    failures: int = 0
    last_miss: Miss | None = None


class Turn(msgspec.Struct, frozen=True, gc=False):
    """A task whose turn it is, taken out of its schedule."""

    number: int
    ref: TaskRef
    labels: TaskLabels
    slot: Slot


class Poller:
    """Polls the tasks of one account until it is stopped. All methods belong to the event loop.

    ``may_ask`` says at each moment whether a request may go: where it may not, tasks wait as they are.
    """

    def __init__(
        self,
        name: str,
        account: Account,
        *,
        tasks: Tasks,
        intake: streams.Intake,
        lag: Lag,
        cadence_of: Callable[[TaskLabels], Cadence],
        clock: Clock,
        random: Callable[[], float],
        log: FilteringBoundLogger,
        is_streamed: Callable[[TaskLabels], bool] = lambda _: False,
        may_ask: Callable[[], bool] = lambda: True,
    ) -> None:
        self._name = name
        self._account = account
        self._tasks = tasks
        self._intake = intake
        self._lag = lag
        self._cadence_of = cadence_of
        self._clock = clock
        self._random = random
        self._log = log
        self._may_ask = may_ask
        self._is_streamed = is_streamed
        self._streams = streams.Streams(
            name, account, intake=intake, polls=self, wanted=is_streamed, clock=clock, log=log
        )
        self._schedule = FairSchedule(group_of=self._group_of)
        self._failing = FairSchedule(group_of=self._group_of)
        self._failures: dict[int, int] = {}
        self._misses: Latest[Miss] = Latest(most=MISSES_KEPT)
        self._asked: set[int] = set()
        self._orphaned: dict[int, frozenset[IdKey]] = {}  # what is being asked about though its task has gone
        self._shares = Shares(well=self._schedule, failing=self._failing)
        self._answered = Answered()
        self._hurried: set[int] = set()
        self._not_before: dict[int, float] = {}  # until when a hurried task may not be hurried again
        self._changed = asyncio.Event()
        self._told_before = -math.inf  # somebody waits, and is to be told of what comes to be due before
        self._choosing = asyncio.Lock()
        self._staffing = asyncio.Event()
        self._workers: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._latency = 0.0
        self._has_tried = False
        self._is_stopping = False

    # ---- what is shown ---------------------------------------------------------------------------------------------

    @property
    def is_stopped(self) -> bool:
        """Whether it has been stopped, for good."""
        return self._is_stopping

    @property
    def has_tried(self) -> bool:
        """Whether there was nothing to ask about, or something has been asked, whatever came back."""
        return self._has_tried or not self.tasks

    @property
    def tasks(self) -> int:
        """How many tasks are polled."""
        return len(self._schedule) + len(self._failing) + len(self._asked)

    @property
    def tasks_due(self) -> int:
        now = self._clock.monotonic()
        return self._schedule.due(now=now) + self._failing.due(now=now)

    @property
    def oldest_due(self) -> float | None:
        """When the longest-due poll became due (monotonic seconds); None where none is."""
        due = min(self._schedule.next_due(), self._failing.next_due())
        return due if due <= self._clock.monotonic() else None

    @property
    def rate(self) -> float:
        """Requests a second that the tasks ask for."""
        return self._schedule.rate + self._failing.rate

    @property
    def latency(self) -> float:
        """The mean seconds a request has taken lately; 0 before the first."""
        return self._latency

    def outlook(self, number: int) -> Outlook:
        """How the polling of one task goes on."""
        slot = self._slot(number)
        return Outlook(
            due_in=slot.due - self._clock.monotonic() if slot else None,
            is_asked=number in self._asked,
            is_streamed=self._streams.speaks(number),
            failures=self._failures.get(number, 0),
            last_miss=self._misses.get(number),
        )

    # ---- what happens to tasks -------------------------------------------------------------------------------------

    def take(self, change: Change) -> None:
        """Follow what has changed of the account's tasks, whoever learnt it."""
        task = change.task
        if change.kind in (ChangeKind.MERGED, ChangeKind.DROPPED) or task.state.is_terminal:
            if task.number in self._asked:
                self._orphaned[task.number] = frozenset(task.state.ref.ids())
            self._drop(task.number)
        elif change.kind is ChangeKind.FOLLOWED:
            # first polls are spread over one interval, so that many do not come at once
            cadence, now = self._cadence_of(task.labels), self._clock.monotonic()
            interval = self._interval_by(cadence, task.course)
            wait, answered_at = self._random() * interval, task.state.observed_at
            if answered_at is not None:  # well, before a restart
                least = cadence.settings.min_interval
                wait = max(wait, least - max(0.0, self._clock.wall() - answered_at))
                self._answered.note(task.number, ready_at=now + least)
            self._put(task.number, Slot(now + wait, interval))
        elif change.is_query:
            self._answered_well(task.course)

    def confirmed(self, number: int) -> None:
        """A query was answered as the last one was, whoever asked."""
        task = self._tasks.course(number)
        if task is not None:
            self._answered_well(task)

    def hurry(self, number: int) -> None:
        """Ask about a task now, ahead of its time: once in ``min_interval``, however often this is called."""
        if number in self._asked:
            self._hurried.add(number)  # what is under way may have been answered before the news
            return
        slot, task = self._slot(number), self._tasks.course(number)
        if slot is None or task is None:
            return
        now = self._clock.monotonic()
        due = max(now, self._not_before.get(number, now))
        if due < slot.due:
            self._put(number, Slot(due, slot.interval, is_hurried=True))

    def retime(self, number: int, *, at_once: bool) -> None:
        """Give a task that has got or lost a stream its next poll accordingly, at once if so."""
        slot, task = self._slot(number), self._tasks.course(number)
        if slot and task and not slot.is_hurried:
            interval = self._interval(task)
            due = self._clock.monotonic() + interval
            self._put(number, Slot(due if self._streams.speaks(number) else min(due, slot.due), interval))
        if at_once:
            self.hurry(number)

    def close_streams(self, *, unwanted_only: bool) -> None:
        """End the streams, all or those that are not wanted any more; their tasks are polled as usual."""
        if unwanted_only:
            self._streams.close_unwanted()
        else:
            self._streams.close_all()

    # ---- the loop --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep as many workers as the account may have requests in flight, for ever."""
        while True:
            self._staffing.clear()
            for _ in range(self._account.max_in_flight - len(self._workers)):
                worker = asyncio.create_task(self._work(), name=f"poll {self._name}")
                self._workers.add(worker)
                worker.add_done_callback(self._left)
            await self._staffing.wait()

    def restaff(self) -> None:
        """The account's limits have changed."""
        self._staffing.set()
        self._changed.set()

    async def stop(self, *, deadline: float) -> None:
        """Ask no more, end the streams, and let the queries under way come back, that many seconds at most.

        ``run`` has been stopped before.
        """
        self._is_stopping = True
        self._streams.close_all()
        for worker in self._workers - self._busy:
            worker.cancel()
        if self._busy:
            await asyncio.wait(self._busy, timeout=deadline)
        rest = tuple(self._workers)
        for worker in rest:
            worker.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _left(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._busy.discard(worker)
        self._staffing.set()

    async def _work(self) -> None:
        worker = asyncio.current_task()
        if worker is None:
            raise RuntimeError("outside of an asyncio task")
        while not self._is_stopping and len(self._workers) <= self._account.max_in_flight:
            try:
                await self._ask_next(worker)
            except Exception:  # noqa: BLE001 - a worker that died would look like a quiet account
                self._log.exception("poller_fault", account=self._name)
                await self._clock.sleep(1.0)

    async def _ask_next(self, worker: asyncio.Task[None]) -> None:
        ready = self._ready() or await self._ready_when_due()
        if ready is None:
            await self._wait_and_ask(worker)
            return
        permit, turn = ready
        self._busy.add(worker)
        try:
            await self._use(permit, turn)
        finally:
            self._busy.discard(worker)
            permit.give_back()

    def _ready(self) -> tuple[Permit, Turn] | None:
        """What may be asked about now, where there is no need to wait for anything: the way of nearly every poll."""
        if not self._may_ask() or (permit := self._account.permit_at_once()) is None:
            return None
        turn = None
        try:
            turn = self._to_ask()
        finally:
            if turn is None:
                permit.give_back()
        return (permit, turn) if turn else None

    async def _ready_when_due(self) -> tuple[Permit, Turn] | None:
        """The same as soon as a task is due: the way of nearly every other poll."""
        async with self._choosing:
            await self._until_due()
            return self._ready()

    async def _wait_and_ask(self, worker: asyncio.Task[None]) -> None:
        async with AsyncExitStack() as held:
            async with self._choosing:
                await self._until_due()
                while not self._may_ask():
                    await self._clock.sleep(LEAVE_SECONDS)
                permit = await held.enter_async_context(self._account.permit())
                turn = await self._to_turn(permit)
            if turn is not None:
                self._busy.add(worker)
                held.callback(self._busy.discard, worker)
                await self._use(permit, turn)

    async def _to_turn(self, permit: Permit) -> Turn | None:
        """What the permit is for; None where nothing is due any more, or the account may not be asked any more."""
        turn = await self._to_probe() if permit.is_probe else self._to_ask()
        if turn is not None and not self._may_ask():  # the wait for the permit may have been long
            self._put(turn.number, turn.slot)
            return None
        return turn

    def _use(self, permit: Permit, turn: Turn) -> Awaitable[None]:
        """A query; in its place a stream, where the task is to have one now."""
        if self._is_streamed(turn.labels) and not permit.is_probe and not turn.slot.is_hurried:
            task = self._tasks.view(turn.number)
            if task is not None and self._streams.may_open(task):
                self._put(turn.number, Slot(self._clock.monotonic() + turn.slot.interval, turn.slot.interval))
                return self._streams.listen(permit, task)
        return self._ask(permit, turn)

    # ---- which task is next ----------------------------------------------------------------------------------------

    async def _until_due(self) -> None:
        while (due := self._shares.next_due(slots=self._account.max_in_flight)) > self._clock.monotonic():
            seconds = None if due == math.inf else due - self._clock.monotonic()
            await self._until_changed(seconds, told_before=due)

    async def _until_changed(self, seconds: float | None, *, told_before: float = math.inf) -> None:
        """Wait so long at most for a task that is due before that time, or for what may let another one be asked."""
        self._told_before = told_before
        self._changed.clear()
        await self._clock.wait(self._changed, seconds)
        self._told_before = -math.inf

    def _to_ask(self, *, is_probe: bool = False) -> Turn | None:
        """The task whose turn it is, taken out; None where none is due any more."""
        now, slots = self._clock.monotonic(), self._account.max_in_flight
        return self._taken(self._shares.pop(now=now, slots=slots, is_probe=is_probe))

    async def _to_probe(self) -> Turn | None:
        """The task to find out by how the account does: one that was answered well, as late as ``min_interval`` asks.

        Where none may be asked about soon, it is whichever is due: tasks that were never asked about wait for it.
        """
        by = self._clock.monotonic() + PROBE_PATIENCE
        while self._answered and (left := by - self._clock.monotonic()) > 0:
            wait = left  # for one that is being asked about
            candidate = self._answered.first(among=self._schedule)
            if candidate is not None:
                number, ready_at = candidate
                wait = ready_at - self._clock.monotonic()
                if wait <= 0:
                    self._note_asked(number)  # should it fail, another one is next
                    slot = self._schedule.discard(number)
                    return self._taken((number, slot) if slot else None)
            if wait > left:
                break
            await self._until_changed(wait)
        return self._to_ask(is_probe=True)

    def _note_asked(self, number: int) -> None:
        task = self._tasks.course(number)
        least = self._cadence_of(task.labels).settings.min_interval if task else 0.0
        self._answered.note(number, ready_at=self._clock.monotonic() + least)

    def _taken(self, popped: tuple[int, Slot] | None) -> Turn | None:
        if popped is None:
            return None
        number, slot = popped
        name = self._tasks.name(number)
        if name is None:
            return None
        ref, labels = name
        if self._orphaned and any(not gone.isdisjoint(ref.ids()) for gone in self._orphaned.values()):
            # it was dropped and followed again, and what was asked before that is still under way
            self._put(number, Slot(self._clock.monotonic() + slot.interval, slot.interval))
            return None
        return Turn(number, ref, labels, slot)

    # ---- asking ----------------------------------------------------------------------------------------------------

    async def _ask(self, permit: Permit, turn: Turn) -> None:
        number, sent = turn.number, self._clock.monotonic()
        is_failing = number in self._failures
        if turn.slot.is_hurried:  # from when it is sent: that may be long after it was due
            self._not_before[number] = sent + self._cadence_of(turn.labels).settings.min_interval
        self._lag.polled(self._name, lag=sent - turn.slot.due)
        self._shares.began(is_failing=is_failing)
        self._asked.add(number)
        try:
            try:
                answer = await permit.query(turn.ref)
            finally:
                self._ended(number, is_failing=is_failing, sent=sent)
        except DispatcherError as error:
            self._failed(number, error)
        except Exception:
            self._blame(number, "a fault of the exporter's own: see its log")
            raise
        else:
            self._intake.answer(turn.ref, answer.observation)
        finally:
            self._again(number)

    def _ended(self, number: int, *, is_failing: bool, sent: float) -> None:
        self._asked.discard(number)
        if self._orphaned:
            self._orphaned.pop(number, None)
        now = self._clock.monotonic()
        seconds = now - sent
        if is_failing:
            self._shares.failing_ended(seconds=seconds, now=now, slots=self._account.max_in_flight)
        if is_failing or self._told_before == math.inf:  # another one that fails may be next, or a probe waits for this
            self._changed.set()
        self._has_tried = True
        self._latency += (seconds - self._latency) * (SMOOTHING if self._latency else 1.0)

    def _failed(self, number: int, error: DispatcherError) -> None:
        if error.blames is Blame.TASK:
            self._blame(number, str(error))
        self._streams.turned_away(error.reason)

    def _blame(self, number: int, why: str) -> None:
        self._misses.note(number, Miss(self._clock.wall(), why))
        self._failures[number] = self._failures.get(number, 0) + 1
        self._answered.discard(number)

    def _answered_well(self, task: Course) -> None:
        number, now, cadence = task.number, self._clock.monotonic(), self._cadence_of(task.labels)
        if number in self._failures:
            del self._failures[number]
            self._misses.forget(number)
        self._answered.note(number, ready_at=now + cadence.settings.min_interval)
        if number not in self._asked:
            interval = self._interval_by(cadence, task)
            self._put(number, Slot(now + interval, interval))

    def _again(self, number: int) -> None:
        """Schedule a task that was asked about, unless an answer has done so or ended it; at once if it is hurried."""
        if number not in self._hurried and number in self._schedule:
            return  # an answer has done so
        task = self._tasks.course(number)
        if task is None or task.status.is_terminal:
            self._drop(number)
            return
        if self._slot(number) is None:
            interval = self._interval(task)
            self._put(number, Slot(self._clock.monotonic() + interval, interval))
        if number in self._hurried:
            self._hurried.discard(number)
            self.hurry(number)

    # ---- the schedules ---------------------------------------------------------------------------------------------

    def _interval(self, task: Course) -> float:
        return self._interval_by(self._cadence_of(task.labels), task)

    def _interval_by(self, cadence: Cadence, task: Course) -> float:
        if self._streams.speaks(task.number):
            return cadence.settings.max_interval
        return cadence.after(task, now=self._clock.wall(), failures=self._failures.get(task.number, 0))

    def _group_of(self, number: int) -> str:
        name = self._tasks.name(number)
        return name[1].group if name else ""

    def _slot(self, number: int) -> Slot | None:
        return self._schedule.slot(number) or self._failing.slot(number)

    def _put(self, number: int, slot: Slot) -> None:
        wanted, other = self._schedule, self._failing
        if number in self._failures:
            wanted, other = other, wanted
        if other:
            other.discard(number)
        wanted.put(number, slot)
        if slot.due < self._told_before:
            self._changed.set()

    def _drop(self, number: int) -> None:
        self._schedule.discard(number)
        self._failing.discard(number)
        self._failures.pop(number, None)
        self._misses.forget(number)
        self._answered.discard(number)
        self._hurried.discard(number)
        self._not_before.pop(number, None)
        self._streams.drop(number)
