"""Which tasks of one account are followed over a stream, and what becomes of them when it ends.

A stream only ever spares queries. It is opened in place of one, when a task's turn has come; until it has said
something the task is asked about as before, and from then on at the longest interval. An end that it tells is a hint:
whoever tells of an end, or ends in any other way, has the task queried at once and streamed no more for a while.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.dispatcher.gate import Grant as Pass
from exporter.tasks.identity import TaskRef
from exporter.tasks.task import Task

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
"""Seconds without a stream for a task whose stream has ended, doubled each time."""

ODD_IN_A_ROW = 3
"""After so many streams in a row that came to nothing, all of the account rest."""

FIRST_REST, LONGEST_REST = 60.0, 3600.0
"""Seconds of such a rest, doubled each time."""


@dataclass(frozen=True, slots=True)
class _Pause:
    ends: int
    until: float


class Patience:
    """How often, and how lately, the streams of one account and of each of its tasks have disappointed."""

    def __init__(self) -> None:
        self._pauses: dict[Task, _Pause] = {}
        self._odd = 0
        self._rests = 0
        self._rest_until = float("-inf")

    def allows(self, task: Task, *, now: float) -> bool:
        """Whether a task may be streamed now."""
        pause = self._pauses.get(task)
        return now >= self._rest_until and (pause is None or now >= pause.until)

    def ended(self, task: Task, *, now: float) -> None:
        """A task's stream has ended, however well: the next one is some time away."""
        ends = self._pauses[task].ends + 1 if task in self._pauses else 1
        self._pauses[task] = _Pause(ends, now + _doubled(FIRST_PAUSE, ends, LONGEST_PAUSE))

    def forget(self, task: Task) -> None:
        self._pauses.pop(task, None)

    def fine(self, *, now: float) -> None:
        """A stream did what it is for. Rests are forgiven once it has gone well for as long as the last one took."""
        self._odd = 0
        if now >= self._rest_until + _rest(self._rests):
            self._rests = 0

    def odd(self, *, now: float) -> float:
        """A stream came to nothing; the seconds of the rest that follows, 0 where none does."""
        self._odd += 1
        return self.rest(now=now) if self._odd >= ODD_IN_A_ROW else 0.0

    def rest(self, *, now: float) -> float:
        """Open no stream for some time; return the seconds."""
        self._odd = 0
        self._rests += 1
        self._rest_until = now + _rest(self._rests)
        return _rest(self._rests)


def _rest(number: int) -> float:
    return _doubled(FIRST_REST, number, LONGEST_REST)


def _doubled(first: float, times: int, cap: float) -> float:
    """The first value, doubled with each further time, up to the cap."""
    return min(first * 2.0 ** min(times - 1, 32), cap)


TURNED_AWAY = frozenset(
    {Reason.INVALID_API_KEY, Reason.FORBIDDEN, Reason.PAYMENT, Reason.RATE_LIMITED, Reason.CONCURRENCY}
)
"""What the API says when it does not want the account's requests now: open streams are such requests."""


class Account(Protocol):
    """What streams need of an account."""

    def lend(self) -> Pass | None: ...
    def give_back(self, leave: Pass) -> None: ...
    def stream(self, ref: TaskRef, leave: Pass) -> AsyncGenerator[Answer]: ...


class Listener(Protocol):
    """Whoever polls the same tasks."""

    def heard(self, task: Task, answer: Answer) -> None:
        """A stream brought an answer that shows the task open."""
        ...

    def retimed(self, task: Task, *, at_once: bool) -> None:
        """The task is polled at another interval from now on, first of all at once if so."""
        ...


@dataclass(slots=True, eq=False)
class _Stream:
    task: Task
    task_id: str
    leave: Pass
    has_spoken: bool = False


class Streams:
    """The streams of one account, at most one for a ``task_id``; ``wanted`` tells which followed tasks may have one."""

    def __init__(
        self,
        name: str,
        account: Account,
        *,
        listener: Listener,
        wanted: Callable[[Task], bool],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._name = name
        self._account = account
        self._listener = listener
        self._wanted = wanted
        self._clock = clock
        self._log = log
        self._patience = Patience()
        self._open: dict[Task, _Stream] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}  # by task_id, those that are being closed among them

    def speaks(self, task: Task) -> bool:
        """Whether the task has a stream that has told something of it."""
        return task in self._open and self._open[task].has_spoken

    def open(self, task: Task) -> bool:
        """Use the leave just taken for a stream of the task; where that is not to be, False, and it is as before."""
        task_id = task.state.ref.task_id
        if task_id is None or task_id in self._jobs or not self._may_open(task):
            return False
        leave = self._account.lend()
        if leave is None:
            return False
        self._open[task] = stream = _Stream(task, task_id, leave)
        self._jobs[task_id] = job = asyncio.create_task(self._follow(stream), name=f"stream {self._name}")
        job.add_done_callback(lambda _: self._closed(task_id, leave))
        return True

    def drop(self, task: Task) -> None:
        """The task is not polled any more."""
        self._end(task)
        self._patience.forget(task)

    def turned_away(self, reason: Reason) -> None:
        """A query failed: where the API wants none of the account's requests, close the streams and let them rest."""
        if reason in TURNED_AWAY and self._open:
            self._rest(self._patience.rest(now=self._clock.monotonic()), reason)
            self.close_all()

    def close_all(self) -> None:
        """End every stream; polling goes on at the usual intervals."""
        self._close(tuple(self._open))

    def close_unwanted(self) -> None:
        """End the streams of tasks that are to have none any more."""
        self._close([task for task in self._open if not self._wanted(task)])

    async def stop(self) -> None:
        """End every stream, and wait until their slots are given back."""
        for task in tuple(self._open):
            self._end(task)
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)

    def _may_open(self, task: Task) -> bool:
        has_been_seen = task.state.observed_at is not None
        return has_been_seen and self._wanted(task) and self._patience.allows(task, now=self._clock.monotonic())

    async def _follow(self, stream: _Stream) -> None:
        fault: Reason | None = None
        try:
            async with aclosing(self._account.stream(stream.task.state.ref, stream.leave)) as answers:
                async for answer in answers:
                    if not self._hear(stream, answer):
                        break
        except DispatcherError as error:
            fault = error.reason
        except Exception:  # noqa: BLE001 - one task's fault must not end the following of it
            self._log.exception("stream_fault", account=self._name, task=str(stream.task.state.ref))
            fault = Reason.INTERNAL
        if self._open.get(stream.task) is stream:
            self._ended(stream, fault)

    def _hear(self, stream: _Stream, answer: Answer) -> bool:
        """Take an answer; say whether to listen on. That a task has ended, or is not known, is for a query to say."""
        if answer.observation is None:
            return False
        is_first, stream.has_spoken = not stream.has_spoken, True
        if answer.observation.status.is_terminal:
            return False
        self._listener.heard(stream.task, answer)
        if is_first:
            self._listener.retimed(stream.task, at_once=False)
        return True

    def _ended(self, stream: _Stream, fault: Reason | None) -> None:
        now = self._clock.monotonic()
        del self._open[stream.task]
        self._patience.ended(stream.task, now=now)
        self._listener.retimed(stream.task, at_once=True)
        if fault in TURNED_AWAY:
            self._rest(self._patience.rest(now=now), fault)
            self.close_all()
        elif stream.has_spoken and fault in (None, Reason.TIMEOUT):  # silence may be all there is between two changes
            self._patience.fine(now=now)
        else:
            self._rest(self._patience.odd(now=now), fault)

    def _rest(self, seconds: float, fault: Reason | None) -> None:
        if seconds:
            self._log.warning("streaming_rests", account=self._name, seconds=seconds, reason=fault and fault.value)

    def _close(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self._end(task)
            self._listener.retimed(task, at_once=False)

    def _end(self, task: Task) -> None:
        stream = self._open.pop(task, None)
        if stream:
            self._jobs[stream.task_id].cancel()

    def _closed(self, task_id: str, leave: Pass) -> None:
        del self._jobs[task_id]
        self._account.give_back(leave)
