"""Which tasks of one account are followed over a stream, and what becomes of them when it ends.

A stream only ever spares queries. It is opened in place of one, when a task is due; until it has said something the
task is asked about as before, and from then on at the longest interval. An end that it tells is a hint: whoever tells
of an end, or ends in any other way, has the task queried at once and streamed no more for a while.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.tasks.identity import TaskRef, leads_elsewhere
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Observation
from exporter.tasks.view import TaskView

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
        self._pauses: dict[int, _Pause] = {}
        self._odd = 0
        self._rests = 0
        self._rest_until = float("-inf")

    def allows(self, number: int, *, now: float) -> bool:
        """Whether a task may be streamed now."""
        pause = self._pauses.get(number)
        return now >= self._rest_until and (pause is None or now >= pause.until)

    def ended(self, number: int, *, now: float) -> None:
        """A task's stream has ended, however well: the next one is some time away."""
        ends = self._pauses[number].ends + 1 if number in self._pauses else 1
        self._pauses[number] = _Pause(ends, now + _doubled(FIRST_PAUSE, ends, LONGEST_PAUSE))

    def forget(self, number: int) -> None:
        self._pauses.pop(number, None)

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


class Permit(Protocol):
    """Leave for one request, within the block that gave it."""

    @property
    def is_probe(self) -> bool: ...
    def query(self, ref: TaskRef) -> Coroutine[Any, Any, Answer]: ...
    def stream(self, ref: TaskRef) -> AbstractAsyncContextManager[AsyncIterator[Answer]]: ...
    def give_back(self) -> None: ...


class Account(Protocol):
    """What polling needs of an account."""

    def permit(self) -> AbstractAsyncContextManager[Permit]: ...
    def may_stream(self) -> bool: ...


class Intake(Protocol):
    """Where answers go."""

    def answer(self, ref: TaskRef, observation: Observation | None, *, is_query: bool = True) -> None: ...


class Polls(Protocol):
    """Whoever polls the same tasks."""

    def retime(self, number: int, *, at_once: bool) -> None:
        """The task is polled at another interval from now on, first of all at once if so."""
        ...


@dataclass(slots=True, eq=False)
class _Stream:
    task: TaskView
    task_id: str
    end: asyncio.Timeout
    has_spoken: bool = False


class Streams:
    """The streams of one account, at most one for a ``task_id``; ``wanted`` tells whose tasks may have one."""

    def __init__(
        self,
        name: str,
        account: Account,
        *,
        intake: Intake,
        polls: Polls,
        wanted: Callable[[TaskLabels], bool],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._name = name
        self._account = account
        self._intake = intake
        self._polls = polls
        self._wanted = wanted
        self._clock = clock
        self._log = log
        self._patience = Patience()
        self._open: dict[int, _Stream] = {}
        self._task_ids: set[str] = set()  # of those that are being closed, too

    def speaks(self, number: int) -> bool:
        """Whether the task has a stream that has told something of it."""
        return number in self._open and self._open[number].has_spoken

    def may_open(self, task: TaskView) -> bool:
        """Whether the task is to have a stream now in place of a query."""
        task_id = task.state.ref.task_id
        return (
            self._wanted(task.labels)
            and task_id is not None
            and not leads_elsewhere(task_id)  # a ledger of an earlier version may have one
            and task_id not in self._task_ids
            and task.state.observed_at is not None
            and self._patience.allows(task.number, now=self._clock.monotonic())
            and self._account.may_stream()
        )

    async def listen(self, permit: Permit, task: TaskView) -> None:
        """Use up a permit for a stream of the task, which ``may_open`` has allowed, until it ends or is closed."""
        stream = _Stream(task, task.state.ref.task_id or "", asyncio.timeout(None))
        self._open[task.number] = stream
        self._task_ids.add(stream.task_id)
        try:
            async with stream.end:
                await self._listen(permit, stream)
        except TimeoutError:
            pass  # it was closed
        finally:
            self._task_ids.discard(stream.task_id)

    def drop(self, number: int) -> None:
        """The task is not polled any more."""
        self._end(number)
        self._patience.forget(number)

    def turned_away(self, reason: Reason) -> None:
        """A query failed: where the API wants none of the account's requests, close the streams and let them rest."""
        if reason in TURNED_AWAY and self._open:
            self._rest(self._patience.rest(now=self._clock.monotonic()), reason)
            self.close_all()

    def close_all(self) -> None:
        """End every stream; polling goes on at the usual intervals."""
        self._close(list(self._open))

    def close_unwanted(self) -> None:
        """End the streams of tasks that are to have none any more."""
        self._close([number for number, stream in self._open.items() if not self._wanted(stream.task.labels)])

    async def _listen(self, permit: Permit, stream: _Stream) -> None:
        fault: Reason | None = None
        try:
            async with permit.stream(stream.task.state.ref) as answers:
                async for answer in answers:
                    if not self._hear(stream, answer):
                        break
        except DispatcherError as error:
            fault = error.reason
        except Exception:  # noqa: BLE001 - one task's fault must not end the following of it
            self._log.exception("stream_fault", account=self._name, task=str(stream.task.state.ref))
            fault = Reason.INTERNAL
        if self._open.get(stream.task.number) is stream:
            self._ended(stream, fault)

    def _hear(self, stream: _Stream, answer: Answer) -> bool:
        """Take an answer; say whether to listen on. That a task has ended, or is not known, is for a query to say."""
        if answer.observation is None:
            return False
        is_first, stream.has_spoken = not stream.has_spoken, True
        if answer.observation.status.is_terminal:
            return False
        self._intake.answer(stream.task.state.ref, answer.observation, is_query=False)
        if is_first:
            self._polls.retime(stream.task.number, at_once=False)
        return True

    def _ended(self, stream: _Stream, fault: Reason | None) -> None:
        number, now = stream.task.number, self._clock.monotonic()
        del self._open[number]
        self._patience.ended(number, now=now)
        self._polls.retime(number, at_once=True)
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

    def _close(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._end(number)
            self._polls.retime(number, at_once=False)

    def _end(self, number: int) -> None:
        stream = self._open.pop(number, None)
        if stream:
            stream.end.reschedule(asyncio.get_running_loop().time())
