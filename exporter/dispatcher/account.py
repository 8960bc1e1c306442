"""One configured account in use: its key, its client, its gate, and what its answers last said."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from random import Random

import httpx
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.dispatcher.answer import Answer, DispatcherError, Drift, Quota, Reason
from exporter.dispatcher.client import DispatcherClient, Reply
from exporter.dispatcher.credentials import ApiKey
from exporter.dispatcher.gate import Gate, Pass, Suspension, hold_of
from exporter.dispatcher.quota import merged
from exporter.dispatcher.report import QUERY_ENDPOINT, STREAM_ENDPOINT, Journal, RequestLog
from exporter.settings.model import AccountSettings
from exporter.tasks.identity import TaskRef

KEY_INTERVAL = 1.0
"""Seconds between two looks at the key file."""


class Account:
    """``admit`` or be refused, then ``query`` at once or ``withdraw``: each leave is used up by exactly one of the two.

    Or ``lend`` the leave to a ``stream``, which keeps its slot until ``give_back``.

    ``last_success_at`` is Unix seconds and moves only with a validated answer (a 404 for one task is one). ``quota``
    holds the money headers last seen. Reading the key blocks, so build accounts off the event loop's hot path.
    """

    def __init__(
        self,
        settings: AccountSettings,
        *,
        clock: Clock,
        requests: RequestLog,
        logger: FilteringBoundLogger,
        random: Random,
        transport: httpx.AsyncBaseTransport | None = None,
        environ: Mapping[str, str] | None = None,
        hide: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.up = False
        self.last_success_at: float | None = None
        self.quota = Quota()
        self._clock = clock
        self._requests = requests
        self._transport = transport
        self._environ = environ
        self._hide = hide
        self._journal = Journal(logger, settings.name)
        self._key = self._read_key()
        self._client = self._connect()
        self._gate = Gate(
            max_in_flight=settings.max_in_flight,
            max_requests_per_second=settings.max_requests_per_second,
            random=random,
        )
        self._admitted: deque[Pass] = deque()
        self._turn = asyncio.Lock()  # one waits for the gate, the others for their turn
        self._changed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """Requests out, those admitted and not yet sent among them."""
        return self._gate.in_flight

    @property
    def streams(self) -> int:
        """How many of those in flight are streams."""
        return self._gate.streams

    @property
    def suspension(self) -> Suspension | None:
        """Why polling is held back; without a key it is, until there is one."""
        if self._key.fault is not None:
            return Suspension(Reason.INVALID_API_KEY, math.inf)
        return self._gate.suspension(self._clock.monotonic())

    async def admit(self) -> None:
        """Wait until a request may go and take leave for it; first come, first served."""
        async with self._turn:
            while (delay := self._delay()) != 0.0:
                self._changed.clear()
                await self._clock.wait(self._changed, delay)
            self._admitted.append(self._gate.sent(self._clock.monotonic()))

    def withdraw(self) -> None:
        """Give back a leave that is not used after all."""
        self._gate.abandoned(self._admitted.popleft())
        self._changed.set()

    async def query(self, ref: TaskRef) -> Answer:
        """Use up a leave: ask once. Every fault is a DispatcherError; a cancelled query gives its slot back."""
        leave = self._admitted.popleft()
        started = self._clock.monotonic()
        try:
            reply = await self._client.query(ref)
        except DispatcherError as error:
            self._failed(leave, error, started)
            raise
        except BaseException:
            self._gate.abandoned(leave)
            raise
        else:
            self._succeeded(leave, reply, started)
            return reply.answer
        finally:
            self._changed.set()

    def lend(self) -> Pass | None:
        """Use up the leave just taken for a stream; None, and it is as before, where none may be opened.

        Streams are for an account whose queries are answered, and never take the last slot.
        """
        if not (self.up and self._gate.may_stream(self._clock.monotonic())):
            return None
        leave = self._admitted.pop()
        self._gate.streams_on(leave)
        return leave

    async def stream(self, ref: TaskRef, leave: Pass) -> AsyncGenerator[Answer]:
        """Every validated answer that the stream of one task brings. Every fault is a DispatcherError."""
        started, seconds = self._clock.monotonic(), None
        failure: Reason | None = None
        drift: dict[Drift, None] = {}
        try:
            async with self._client.stream(ref) as stream, aclosing(stream.answers) as answers:
                seconds = self._clock.monotonic() - started
                self.quota = merged(self.quota, stream.quota)
                async for answer in answers:
                    self.last_success_at = self._clock.wall()
                    drift |= dict.fromkeys(answer.drift)
                    yield answer
        except DispatcherError as error:
            failure = error.reason
            seconds = self._clock.monotonic() - started if seconds is None else seconds
            self._stream_failed(leave, error)
            raise
        finally:
            if seconds is not None:
                self._report(STREAM_ENDPOINT, seconds, failure=failure, drift=drift)

    def give_back(self, leave: Pass) -> None:
        """The stream that this leave was lent to is over."""
        if self._gate.is_out(leave):
            self._gate.abandoned(leave)
        self._changed.set()

    async def watch_key(self) -> None:
        """Follow the key's file for ever: a changed key is tried at once, and without one nothing is sent."""
        if self._key.fault is not None:
            self._journal.key_missing(self._key.fault)
        while True:
            await self._clock.sleep(KEY_INTERVAL)
            key = self._key
            if await asyncio.to_thread(key.refresh) and key is self._key:
                self._key_changed()

    def reconfigure(self, settings: AccountSettings) -> None:
        """Go on with other settings of the same account; what is under way ends with the old ones.

        Must run within the event loop.
        """
        old, self.settings = self.settings, settings
        self._gate.relimit(
            max_in_flight=settings.max_in_flight, max_requests_per_second=settings.max_requests_per_second
        )
        if _key_source(settings) != _key_source(old):
            self._key = self._read_key()
            self._key_changed()
        if _connection(settings) != _connection(old):
            self._reconnect()
        self._changed.set()

    async def aclose(self) -> None:
        """Let what is under way end, then close every connection."""
        await asyncio.gather(self._client.aclose(), *self._closing)

    def _delay(self) -> float | None:
        if self._key.fault is not None:
            return None
        return self._gate.delay(self._clock.monotonic())

    def _succeeded(self, leave: Pass, reply: Reply, started: float) -> None:
        now = self._clock.monotonic()
        before = self._gate.suspension(now)
        self._gate.succeeded(leave, now)
        self.up = True
        self.last_success_at = self._clock.wall()
        self.quota = merged(self.quota, reply.quota)
        self._report(QUERY_ENDPOINT, now - started, drift=reply.answer.drift)
        self._journal.suspension(before, self._gate.suspension(now), now)

    def _failed(self, leave: Pass, error: DispatcherError, started: float) -> None:
        now = self._clock.monotonic()
        before = self._gate.suspension(now)
        self._gate.failed(leave, error, now)
        self.up = False
        self.quota = merged(self.quota, error.quota)
        self._report(QUERY_ENDPOINT, now - started, failure=error.reason)
        self._journal.failed(error, now)
        self._journal.suspension(before, self._gate.suspension(now), now)

    def _stream_failed(self, leave: Pass, error: DispatcherError) -> None:
        """What the API says by a status holds for the account; any other fault is left to the next query to meet."""
        self.quota = merged(self.quota, error.quota)
        if error.status is None or hold_of(error.reason) is None:
            return
        now = self._clock.monotonic()
        before = self._gate.suspension(now)
        self._gate.failed(leave, error, now)
        self._journal.suspension(before, self._gate.suspension(now), now)

    def _report(
        self, endpoint: str, seconds: float, *, failure: Reason | None = None, drift: Iterable[Drift] = ()
    ) -> None:
        self._requests.request_finished(
            self.settings.name, endpoint, seconds=seconds, failure=failure, drift=tuple(drift)
        )

    def _key_changed(self) -> None:
        if self._key.fault is not None:
            self._journal.key_missing(self._key.fault)
        else:
            self._journal.key_changed()
        self._gate.retry_now(self._clock.monotonic())
        self._changed.set()

    def _read_key(self) -> ApiKey:
        return ApiKey(
            env=self.settings.api_key_env, file=self.settings.api_key_file, environ=self._environ, hide=self._hide
        )

    def _reveal_key(self) -> str | None:
        return self._key.reveal()

    def _connect(self) -> DispatcherClient:
        return DispatcherClient(
            self.settings.base_url,
            key=self._reveal_key,
            timeout=self.settings.timeout,
            max_in_flight=self.settings.max_in_flight,
            wall=self._clock.wall,
            transport=self._transport,
        )

    def _reconnect(self) -> None:
        task = asyncio.create_task(self._client.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._client = self._connect()


def _key_source(settings: AccountSettings) -> tuple[object, ...]:
    return (settings.api_key_env, settings.api_key_file)


def _connection(settings: AccountSettings) -> tuple[object, ...]:
    return (settings.base_url, settings.timeout, settings.max_in_flight)
