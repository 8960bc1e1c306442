"""An account without an API: it answers queries by a script and lets a test speak over its streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from exporter.dispatcher.answer import Answer, Blame, DispatcherError
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Observation, Status
from tests.support.fake_clock import FakeClock

RUNNING = Answer(Observation(Status.RUNNING))

EOF = None
Said = Answer | Exception | None


@dataclass
class ScriptedPermit:
    """``exporter.dispatcher.account.Permit`` of a scripted account."""

    account: "ScriptedAccount"
    is_probe: bool
    was_waited_for: bool = False
    is_used: bool = False
    is_given_back: bool = False

    async def query(self, ref: TaskRef) -> Answer:
        assert not self.is_used
        self.is_used = True
        return await self.account.answer_to(ref)

    def give_back(self) -> None:
        if not self.is_given_back:
            self.is_given_back = True
            self.account.end(self)

    @asynccontextmanager
    async def stream(self, ref: TaskRef) -> AsyncIterator[AsyncIterator[Answer]]:
        assert not self.is_used
        self.is_used = True
        self.account.streams += 1
        try:
            yield self.account.said_of(ref)
        finally:
            self.account.streams -= 1


class ScriptedAccount:
    """So many slots; the script has for each id its answers, of which the last one is repeated.

    A failure blames the task, unless the error says otherwise. ``asked`` and ``opened`` are seconds since the start.
    Unless it ``gives_at_once``, every permit is waited for. ``unused`` are those that were waited for in vain.
    """

    def __init__(self, clock: FakeClock, *, slots: int = 2, gives_at_once: bool = True) -> None:
        self._gives_at_once = gives_at_once
        self.max_in_flight = slots
        self.answers: dict[str, list[Answer | Exception]] = {}
        self.answer: Answer | Exception = RUNNING
        self.takes: dict[str, float] = {}
        self.takes_usually = 0.0
        self.is_suspected = False
        self.streams_allowed = 0
        self.fault: Exception | None = None
        self.asked: list[tuple[float, str]] = []
        self.opened: list[tuple[float, str]] = []
        self.under_way: list[TaskRef] = []
        self.lines: dict[str, asyncio.Queue[Said]] = {}
        self.unused = 0
        self.streams = 0
        self.taken = 0
        self._clock = clock
        self._free = asyncio.Semaphore(slots)
        self._probing = asyncio.Lock()

    def permit_at_once(self) -> ScriptedPermit | None:
        if not self._gives_at_once or self.is_suspected or self._free.locked():
            return None
        self._raise_fault()
        with suppress(StopIteration):  # it need not wait
            self._free.acquire().send(None)
        return self._begin()

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[ScriptedPermit]:
        self._raise_fault()
        await self._free.acquire()
        async with AsyncExitStack() as stack:
            permit = self._begin()
            permit.was_waited_for = True
            stack.callback(permit.give_back)
            if self.is_suspected:  # then one request at a time
                await stack.enter_async_context(self._probing)
            yield permit

    def end(self, permit: ScriptedPermit) -> None:
        self.unused += permit.was_waited_for and not permit.is_used
        self.taken -= 1
        self._free.release()

    def _raise_fault(self) -> None:
        fault, self.fault = self.fault, None
        if fault:
            raise fault

    def _begin(self) -> ScriptedPermit:
        self.taken += 1
        return ScriptedPermit(self, self.is_suspected)

    def may_stream(self) -> bool:
        return self.streams < self.streams_allowed

    async def answer_to(self, ref: TaskRef) -> Answer:
        assert not any(ref.may_be(other) and set(ref.ids()) & set(other.ids()) for other in self.under_way)
        self.asked.append((self.now(), str(ref)))
        self.under_way.append(ref)
        script = self.answers.get(_name(ref), [self.answer])
        answer = script.pop(0) if len(script) > 1 else script[0]
        try:
            await self._clock.sleep(self.takes.get(_name(ref), self.takes_usually))
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.under_way.remove(ref)

    async def said_of(self, ref: TaskRef) -> AsyncIterator[Answer]:
        name = str(ref)
        assert name not in self.lines, "one stream for a task"
        self.opened.append((self.now(), name))
        line = self.lines[name] = asyncio.Queue()
        try:
            while (said := await line.get()) is not EOF:
                if isinstance(said, Exception):
                    raise said
                yield said
        finally:
            del self.lines[name]

    def add_slot(self) -> None:
        self._free.release()

    def times(self, name: str | None = None) -> list[float]:
        """When it was asked, of one task or of all."""
        return [at for at, asked in self.asked if name in (None, asked)]

    def now(self) -> float:
        return round(self._clock.monotonic() - 1000.0, 3)


def blaming(blame: Blame, error: DispatcherError) -> DispatcherError:
    """The error with somebody to blame."""
    error.blames = blame
    return error


def _name(ref: TaskRef) -> str:
    return ref.task_id or ref.out_task_id or ""
