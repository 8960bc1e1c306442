"""Asks about some tasks of one account, once or until they have ended. Its limits are the account's, and hard.

What holds the account back (its key, its money, an outage) ends an inquiry: whoever asked sees why at once, and nobody
upstream is asked again. A task that was answered once is waited for through such times.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.dispatcher.account import Account
from exporter.dispatcher.answer import Answer, DispatcherError, Drift, Reason
from exporter.polling.cadence import PublishedCadence
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState, begin, miss, observe

FINAL = frozenset(
    {
        Reason.INVALID_API_KEY,
        Reason.FORBIDDEN,
        Reason.PAYMENT,
        Reason.BAD_REQUEST,
        Reason.BAD_ROUTE,
        Reason.REDIRECT,
    }
)
"""What no patience mends."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one task; times are Unix seconds.

    ``observation`` is the last answer that knew it, ``error`` why the last query got none. ``has_answer``: the API has
    said something, if only that it does not know the task.
    """

    state: TaskState
    observation: Observation | None = None
    drift: tuple[Drift, ...] = ()
    error: DispatcherError | None = None
    has_answer: bool = False

    @property
    def is_unknown(self) -> bool:
        """Whether the API was asked and knows no such task."""
        return self.state.status is Status.NOT_FOUND or (self.has_answer and self.observation is None)


Told = Callable[[Finding], None]
"""Whoever wants to know of each answer; it is quick."""


class NoRequests:
    """Nobody counts these requests: they are no polls."""

    def request_finished(
        self, account: str, endpoint: str, *, seconds: float, failure: Reason | None, drift: Sequence[Drift]
    ) -> None: ...


def silent_log() -> FilteringBoundLogger:
    """A log that keeps everything to itself: what there is to say is said by the findings."""
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    log: FilteringBoundLogger = structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=silent)
    return log


class Inquiry:
    """One inquiry; ``told`` hears of every finding as it comes."""

    def __init__(self, account: Account, refs: Iterable[TaskRef], *, clock: Clock, told: Told = lambda _: None) -> None:
        self._account = account
        self._clock = clock
        self._told = told
        now = clock.wall()
        # the same task may be named twice
        self._found = {ref: Finding(begin(Item(ref, TaskLabels(ref.account, "")), now=now)) for ref in refs}
        self._refused = asyncio.Event()
        self._refusal: DispatcherError | None = None
        self._asking: set[asyncio.Task[Any] | None] = set()
        self._has_answered = False

    @property
    def findings(self) -> Mapping[TaskRef, Finding]:
        """What is known so far, in the order of the names."""
        return self._found

    async def once(self) -> None:
        """Ask about each task once. Where the account is held back, those that are left get the same error."""
        left = iter(self._found)

        async def ask() -> None:
            while not self._refused.is_set() and (ref := next(left, None)):
                await self._ask(ref, grace=0.0, is_patient=False)

        await self._together(ask() for _ in range(min(len(self._found), self._account.max_in_flight)))

    async def until_ended(self, cadence: PublishedCadence, *, grace: float) -> None:
        """Ask about each at that cadence until it has ended. ``grace``: so many seconds long a 404 is no end."""

        async def follow(ref: TaskRef) -> None:
            failures = 0
            while not self._is_over(found := await self._ask(ref, grace=grace, is_patient=True)):
                failures = failures + 1 if found.error else 0
                await self._clock.sleep(cadence.interval(found.state.eta_seconds, failures=failures))

        await self._together(follow(ref) for ref in self._found)

    # ---- one question ----------------------------------------------------------------------------------------------

    async def _ask(self, ref: TaskRef, *, grace: float, is_patient: bool) -> Finding:
        """Ask once about a task, in turn; only until then may this be cancelled without losing an answer."""
        found, asking = self._found[ref], asyncio.current_task()
        async with self._account.permit() as permit:
            self._asking.add(asking)
            try:
                found = self._answered(found, await permit.query(ref), grace)
            except DispatcherError as error:
                found = replace(found, error=error)
                self._refuse(error, is_patient=is_patient)
            finally:
                self._asking.discard(asking)
        self._found[ref] = found
        self._told(found)
        return found

    def _answered(self, found: Finding, answer: Answer, grace: float) -> Finding:
        now, known = self._clock.wall(), answer.observation
        self._has_answered = True
        step = miss(found.state, now=now, grace=grace) if known is None else observe(found.state, known, now=now)
        return Finding(step.state, known or found.observation, answer.drift, has_answer=True)

    def _refuse(self, error: DispatcherError, *, is_patient: bool) -> None:
        """End everything, if what was met holds for all. Too many at once is over within seconds."""
        held = self._account.suspension
        if held is None or held.reason is Reason.CONCURRENCY:
            return
        if error.reason in FINAL or not (is_patient and self._has_answered):
            self._refusal = self._refusal or error
            self._refused.set()

    def _is_over(self, found: Finding) -> bool:
        """Whether there is nothing to wait for: it has ended, or cannot be asked about."""
        if found.error is None or self._refused.is_set():
            return found.state.is_terminal or self._refused.is_set()
        is_first = found.observation is None and found.error.reason is not Reason.CONCURRENCY
        return is_first or found.error.reason in FINAL

    # ---- all of them -----------------------------------------------------------------------------------------------

    async def _together(self, parts: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Let all parts go on until they are done or one was refused; what is under way then still comes back."""
        working: set[asyncio.Task[Any]] = {asyncio.create_task(part) for part in parts}
        finishing: asyncio.Task[Any] = asyncio.create_task(asyncio.wait(working))
        refused: asyncio.Task[Any] = asyncio.create_task(self._refused.wait())
        try:
            await asyncio.wait({finishing, refused}, return_when=asyncio.FIRST_COMPLETED)
            for work in working - self._asking:
                work.cancel()
            await asyncio.wait(working)
        finally:
            for work in (*working, finishing, refused):
                work.cancel()
            results = await asyncio.gather(*working, finishing, refused, return_exceptions=True)
        self._tell_the_rest()
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _tell_the_rest(self) -> None:
        """Those that nobody was asked about any more have met the same."""
        if self._refusal is None:
            return
        for ref, found in self._found.items():
            if not found.state.is_terminal and found.error is None and found.observation is None:
                self._found[ref] = replace(found, error=self._refusal)
