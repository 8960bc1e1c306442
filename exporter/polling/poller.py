"""The loop that asks about the tasks of one account.

One loop decides who is asked next; each request runs as a task of its own, as many at once as the account admits.
A followed task is either in the schedule or being asked about, never both: so no two queries for it can overlap.
Beside them it may have one stream, which spares it most of them.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.polling import streams
from exporter.polling.cadence import Cadence
from exporter.polling.schedule import Schedule, Slot
from exporter.tasks.identity import TaskRef
from exporter.tasks.task import Task
from exporter.tasks.tracker import Tracker, Transition

TASKS_OWN = frozenset(
    {Reason.BAD_REQUEST, Reason.BAD_RESPONSE, Reason.TOO_LARGE, Reason.BAD_ROUTE, Reason.REDIRECT, Reason.TRUNCATED}
)
"""Failures that may be this one task's: it is asked less often, while the account's other tasks go on."""

SMOOTHING = 0.1
"""The weight of the latest request in the mean latency."""


class Account(streams.Account, Protocol):
    """What a poller needs of an account."""

    async def admit(self) -> None: ...
    def withdraw(self) -> None: ...
    async def query(self, ref: TaskRef) -> Answer: ...


class Journal(Protocol):
    """Where a poller reports what it learnt."""

    def learnt(self, transition: Transition) -> None: ...
    def polled(self, account: str, *, lag: float) -> None: ...


class Poller:
    """Polls the tasks of one account until it is stopped."""

    def __init__(
        self,
        name: str,
        account: Account,
        *,
        tracker: Tracker,
        journal: Journal,
        cadence_of: Callable[[Task], Cadence],
        clock: Clock,
        random: Callable[[], float],
        log: FilteringBoundLogger,
        is_streamed: Callable[[Task], bool] = lambda _: False,
    ) -> None:
        self._name = name
        self._account = account
        self._tracker = tracker
        self._journal = journal
        self._cadence_of = cadence_of
        self._clock = clock
        self._random = random
        self._log = log
        self._schedule = Schedule()
        self._streams = streams.Streams(name, account, listener=self, wanted=is_streamed, clock=clock, log=log)
        self._changed = asyncio.Event()
        self._requests: dict[Task, asyncio.Task[None]] = {}
        self._failures: dict[Task, int] = {}
        self._hurried: set[Task] = set()
        self._rested: dict[Task, float] = {}
        self._latency = 0.0
        self._has_tried = False

    @property
    def has_tried(self) -> bool:
        """Whether there was nothing to ask about, or something has been asked, whatever came back."""
        return self._has_tried or not (self._schedule or self._requests)

    @property
    def tasks(self) -> int:
        """How many tasks are polled."""
        return len(self._schedule) + len(self._requests)

    @property
    def tasks_due(self) -> int:
        return self._schedule.due(now=self._clock.monotonic())

    @property
    def rate(self) -> float:
        """Requests a second that the tasks ask for."""
        return self._schedule.rate

    @property
    def latency(self) -> float:
        """The mean seconds a request has taken lately; 0 before the first."""
        return self._latency

    def follow(self, task: Task) -> None:
        """Poll a task from now on; first polls are spread over one interval, so that many do not come at once."""
        if task.state.is_terminal or task in self._requests:
            return
        interval = self._cadence_of(task).interval(task.state.eta_seconds)
        self._put(task, Slot(self._clock.monotonic() + self._random() * interval, interval))

    def hurry(self, task: Task) -> None:
        """Ask about a task now, ahead of its turn: once in ``min_interval``, however often this is called."""
        if task in self._requests:
            self._hurried.add(task)  # what is under way may have been answered before the news
            return
        slot = self._schedule.slot(task)
        if slot is None:
            return
        now = self._clock.monotonic()
        due = max(now, self._rested.get(task, now))
        if due < slot.due:
            self._rested[task] = due + self._cadence_of(task).settings.min_interval
            self._put(task, Slot(due, slot.interval, is_hurried=True))

    def close_streams(self, *, unwanted_only: bool) -> None:
        """End the streams, all or those that ``is_streamed`` is not for any more; their tasks are polled as usual."""
        if unwanted_only:
            self._streams.close_unwanted()
        else:
            self._streams.close_all()

    def heard(self, task: Task, answer: Answer) -> None:
        """Take what a stream tells of a task."""
        self._take(task, answer)

    def retimed(self, task: Task, *, at_once: bool) -> None:
        """Give a task that has got or lost a stream its next turn accordingly, at once if so."""
        task = task.survivor
        slot = self._schedule.slot(task)
        if slot and not slot.is_hurried:
            interval = self._interval(task)
            due = self._clock.monotonic() + interval
            self._put(task, Slot(due if self._streams.speaks(task) else min(due, slot.due), interval))
        if at_once:
            self.hurry(task)

    def drop(self, task: Task) -> None:
        """Do not poll a task any more; what a request that is under way brings back is not taken."""
        self._schedule.discard(task)
        self._failures.pop(task, None)
        self._hurried.discard(task)
        self._rested.pop(task, None)
        self._streams.drop(task)

    async def run(self) -> None:
        """Poll for ever; whatever goes wrong is logged, and the loop goes on."""
        while True:
            try:
                await self._ask_next()
            except Exception:  # noqa: BLE001 - a loop that died would look like a quiet account
                self._log.exception("poller_fault", account=self._name)
                await self._clock.sleep(1.0)

    async def stop(self, *, deadline: float) -> None:
        """End the streams, and let the requests under way come back, that many seconds at most."""
        await self._streams.stop()
        if self._requests:
            _, late = await asyncio.wait(self._requests.values(), timeout=deadline)
            for request in late:
                request.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _ask_next(self) -> None:
        await self._until_due()
        await self._account.admit()
        turn = self._schedule.pop(now=self._clock.monotonic())
        if turn is None:  # dropped while the account made us wait
            self._account.withdraw()
            return
        task, slot = turn
        if self._is_asked_about(task):
            self._account.withdraw()
            self._put(task, Slot(self._clock.monotonic() + slot.interval, slot.interval))
            return
        if not slot.is_hurried and self._streams.open(task):
            self._again(task)
            return
        self._requests[task] = asyncio.create_task(self._ask(task, slot), name=f"poll {self._name}")

    async def _until_due(self) -> None:
        while True:
            self._changed.clear()
            due = self._schedule.next_due()
            wait = None if due is None else due - self._clock.monotonic()
            if wait is not None and wait <= 0:
                return
            await self._clock.wait(self._changed, wait)

    def _is_asked_about(self, task: Task) -> bool:
        """Whether a request for it is under way from before it was dropped and followed again."""
        ids = set(task.state.ref.ids())
        return any(ids.intersection(other.state.ref.ids()) for other in self._requests)

    async def _ask(self, task: Task, slot: Slot) -> None:
        sent = self._clock.monotonic()
        self._journal.polled(self._name, lag=sent - slot.due)
        try:
            self._take(task, await self._account.query(task.state.ref))
        except DispatcherError as error:
            self._failed(task, error)
        except Exception:  # noqa: BLE001 - one task's fault must not end the polling of it
            self._log.exception("poll_fault", account=self._name, task=str(task.state.ref))
        finally:
            self._has_tried = True
            self._note_latency(self._clock.monotonic() - sent)
            del self._requests[task]
            self._again(task)

    def _take(self, task: Task, answer: Answer) -> None:
        self._failures.pop(task, None)
        now = self._clock.wall()
        if answer.observation is None:
            transition = self._tracker.miss(task, now=now)
        else:
            transition = self._tracker.observe(task, answer.observation, now=now)
        if transition is None:
            return
        if transition.absorbed:
            self.drop(transition.absorbed)
        self._journal.learnt(transition)

    def _failed(self, task: Task, error: DispatcherError) -> None:
        if error.reason in TASKS_OWN:
            self._failures[task] = self._failures.get(task, 0) + 1
        self._streams.turned_away(error.reason)

    def _again(self, asked: Task) -> None:
        """Give the task its next turn, or the one that it turned out to be, unless that one has its own."""
        task = asked.survivor
        is_hurried = asked in self._hurried
        self._hurried.discard(asked)
        if task is not asked and (task in self._requests or task in self._schedule):
            return
        if not task.is_followed or task.state.is_terminal:
            self.drop(task)
            return
        interval = self._interval(task)
        self._put(task, Slot(self._clock.monotonic() + interval, interval))
        if is_hurried:
            self.hurry(task)

    def _interval(self, task: Task) -> float:
        cadence = self._cadence_of(task)
        if self._streams.speaks(task):
            return cadence.settings.max_interval
        return cadence.interval(task.state.eta_seconds, failures=self._failures.get(task, 0))

    def _put(self, task: Task, slot: Slot) -> None:
        self._schedule.put(task, slot)
        self._changed.set()

    def _note_latency(self, seconds: float) -> None:
        self._latency += (seconds - self._latency) * (SMOOTHING if self._latency else 1.0)
