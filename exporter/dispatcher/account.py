"""One configured account in use: its key, its client, its gate, and what its answers last said.

Whoever asks takes a permit, and with it asks once::

    async with account.permit() as permit:
        answer = await permit.query(ref)
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from hmac import compare_digest
from random import Random
from typing import Any, Self

import msgspec
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.dispatcher.answer import Answer, DispatcherError, Drift, Quota, Reason
from exporter.dispatcher.client import DispatcherClient, Reply
from exporter.dispatcher.gate import Gate, Grant, Suspension, tells_of_account
from exporter.dispatcher.holds import names_account
from exporter.dispatcher.quota import merged
from exporter.dispatcher.report import QUERY_ENDPOINT, STREAM_ENDPOINT, AccountLog, RequestLog
from exporter.dispatcher.stock import Transport
from exporter.outbound import Outbound
from exporter.secrets import SecretSource
from exporter.settings.model import AccountSettings
from exporter.tasks.identity import TaskRef
from exporter.threads import in_thread

KEY_INTERVAL = 1.0
"""Seconds between two looks at the key file."""


class Permit(msgspec.Struct, frozen=True, eq=False):
    """Leave for one request, within the block of ``Account.permit``: either one query or one stream.

    ``is_probe``: the account is held back or under suspicion, and this request is to find out about it. Then ask about
    a task that was answered well lately, whether or not its turn has come.
    """

    account: "Account"
    grant: Grant

    @property
    def is_probe(self) -> bool:
        return self.grant.is_probe

    def query(self, ref: TaskRef) -> Coroutine[Any, Any, Answer]:
        """Ask once; raise DispatcherError, which says whom it blames. The slot is free as soon as the query is over."""
        return self.account.query(self.grant, ref)

    def stream(self, ref: TaskRef) -> AbstractAsyncContextManager[AsyncIterator[Answer]]:
        """Listen to one task, where ``may_stream`` has just said so: every validated answer as it comes.

        Both the opening and the listening raise DispatcherError. The slot is taken until the permit's block is left.
        """
        return self.account.stream(self.grant, ref)

    def give_back(self) -> None:
        """End it, as leaving the block does: for a permit that was had at once. It may be said again."""
        self.account.give_back(self.grant)


class AccountChange:
    """Other settings of an account, with all made that takes time or may fail. One of the two ends it, within the loop.

    It starts from the settings that were in force when it was prepared: end one before the next is prepared.
    """

    def __init__(self, *, adopt: Callable[[], None], client: DispatcherClient | None) -> None:
        self._adopt = adopt
        self._client = client

    def commit(self) -> None:
        """Let the settings hold from now on; cannot fail. What is under way ends with the old ones."""
        self._client = None
        self._adopt()

    async def discard(self) -> None:
        """Leave everything as it is, and close what was made."""
        if self._client:
            await self._client.aclose()


class Account:
    """Lets requests go as the account's limits and the API's answers allow, and keeps what the answers say.

    ``last_success_at`` is Unix seconds and moves only with a validated answer (a 404 for one task is one). ``quota``
    holds the money headers last seen with the present key. Making one blocks (the key's file, TLS) and may raise
    DispatcherError where no certificates can be read: ``open`` does it in a thread. ``Connection`` tells of
    ``outbound``.
    """

    def __init__(
        self,
        settings: AccountSettings,
        *,
        clock: Clock,
        requests: RequestLog,
        logger: FilteringBoundLogger,
        random: Random,
        transport: Transport | None = None,
        environ: Mapping[str, str] | None = None,
        outbound: Outbound | None = None,
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
        self._log = AccountLog(logger, settings.name)
        self._key = self._read_key(settings)
        self._client = self._connect(settings, outbound)
        self._gate = Gate(
            max_in_flight=settings.max_in_flight,
            max_requests_per_second=settings.max_requests_per_second,
            random=random,
        )
        self._waiting: deque[asyncio.Event] = deque()
        self._waiting_aside: deque[asyncio.Event] = deque()
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(
        cls,
        settings: AccountSettings,
        *,
        clock: Clock,
        requests: RequestLog,
        logger: FilteringBoundLogger,
        random: Random,
        transport: Transport | None = None,
        environ: Mapping[str, str] | None = None,
        outbound: Outbound | None = None,
        hide: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """An account made off the event loop; raise DispatcherError as making one does. Close it with ``aclose``."""
        return await in_thread(
            partial(
                cls,
                settings,
                clock=clock,
                requests=requests,
                logger=logger,
                random=random,
                transport=transport,
                environ=environ,
                outbound=outbound,
                hide=hide,
            )
        )

    async def aclose(self) -> None:
        """Let what is under way end, then close every connection."""
        await asyncio.gather(self._client.aclose(), *self._closing)

    # ---- views -----------------------------------------------------------------------------------------------------

    @property
    def max_in_flight(self) -> int:
        return self.settings.max_in_flight

    @property
    def in_flight(self) -> int:
        """Permits in use: requests out, and those about to be sent."""
        return self._gate.in_flight

    @property
    def streams(self) -> int:
        """How many of those in flight are streams."""
        return self._gate.streams

    @property
    def has_key(self) -> bool:
        """Whether there is a key; not whether it is a good one."""
        return self._key.fault is None

    @property
    def suspension(self) -> Suspension | None:
        """Why polling is held back; without a key it is, until there is one."""
        if self._key.fault is not None:
            return Suspension(Reason.INVALID_API_KEY, math.inf)
        return self._gate.suspension(self._clock.monotonic())

    # ---- permits ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[Permit]:
        """Wait until a request may go, first come, first served. However the block is left, its slot is given back.

        A permit that was not used gives back its place in the rate limit, too. There is no limit to the wait: without
        a key it lasts until there is one.
        """
        grant = await self._granted()
        try:
            yield Permit(self, grant)
        finally:
            self.give_back(grant)

    def permit_at_once(self) -> Permit | None:
        """The same without a wait, where nobody waits before and nothing is held against the account; else None.

        Whoever has it gives it back.
        """
        if self._waiting or self._key.fault is not None:
            return None
        grant = self._gate.grant_at_once(self._clock.monotonic())
        return Permit(self, grant) if grant else None

    @asynccontextmanager
    async def permit_aside(self) -> AsyncIterator[Permit]:
        """The same for a request that is no poll: behind all others that wait, and within a share of the limits.

        Its failures are those of whoever asks, save for what the API says of the account.
        """
        grant = await self._granted_aside()
        try:
            yield Permit(self, grant)
        finally:
            self.give_back(grant)

    def may_stream(self) -> bool:
        """Whether a permit at hand may be used for a stream.

        Streams are for an account whose queries are answered, and never take the last slot.
        """
        return self.up and self._key.fault is None and self._gate.may_stream(self._clock.monotonic())

    async def _granted(self) -> Grant:
        place = asyncio.Event()
        self._waiting.append(place)
        try:
            while (delay := self._delay(place)) != 0.0:
                place.clear()
                await self._clock.wait(place, delay)
            return self._gate.grant(self._clock.monotonic())
        finally:
            self._waiting.remove(place)
            self._wake()

    def _delay(self, place: asyncio.Event) -> float | None:
        if self._waiting[0] is not place or self._key.fault is not None:
            return None
        return self._gate.delay(self._clock.monotonic())

    async def _granted_aside(self) -> Grant:
        place = asyncio.Event()
        self._waiting_aside.append(place)
        try:
            while (delay := self._delay_aside(place)) != 0.0:
                place.clear()
                await self._clock.wait(place, delay)
            return self._gate.grant_aside(self._clock.monotonic())
        finally:
            self._waiting_aside.remove(place)
            self._wake()

    def _delay_aside(self, place: asyncio.Event) -> float | None:
        if self._waiting or self._waiting_aside[0] is not place or self._key.fault is not None:
            return None
        return self._gate.delay_aside(self._clock.monotonic())

    def give_back(self, grant: Grant) -> None:
        """End what was granted, whatever came of it; it may be said again."""
        if self._gate.give_back(grant):
            self._wake()

    def _wake(self) -> None:
        """Let whoever waits first look again: a poll, if one does."""
        if self._waiting:
            self._waiting[0].set()
        elif self._waiting_aside:
            self._waiting_aside[0].set()

    # ---- queries ---------------------------------------------------------------------------------------------------

    async def query(self, grant: Grant, ref: TaskRef) -> Answer:
        """Ask once, under a grant of this account: ``Permit.query``."""
        started = self._clock.monotonic()
        self._gate.sent(grant, started)
        try:
            reply = await self._client.query(ref)
        except DispatcherError as error:
            self._failed(grant, ref, error, started)
            raise
        else:
            self._succeeded(grant, reply, started)
            return reply.answer
        finally:
            self.give_back(grant)

    def _succeeded(self, grant: Grant, reply: Reply, started: float) -> None:
        now = self._clock.monotonic()
        is_lifted = False
        if self._gate.is_open:
            self._gate.succeeded(grant, now)
        else:
            with self._suspension_logged(now):
                self._gate.succeeded(grant, now)
            is_lifted = self._gate.is_open
        if is_lifted or not grant.is_aside or self.last_success_at is None:
            self.up = True
        self.last_success_at = self._clock.wall()
        self.quota = merged(self.quota, reply.quota)
        self._report(QUERY_ENDPOINT, now - started, drift=reply.answer.drift)

    def _failed(self, grant: Grant, ref: TaskRef, error: DispatcherError, started: float) -> None:
        now = self._clock.monotonic()
        self.quota = merged(self.quota, error.quota)
        if tells_of_account(grant, error):
            self._log.failed(error, now)
            self.up = False
        with self._suspension_logged(now):
            error.blames = self._gate.failed(grant, _asked(ref), error, now)
        self._report(QUERY_ENDPOINT, now - started, failure=error.reason)

    async def _again(self, seconds: float) -> bool:
        """Wait for the place of a request that met a closed connection, and say whether it may be sent once more."""
        wait = self._gate.repeat(self._clock.monotonic(), within=seconds)
        if wait:
            await self._clock.sleep(wait)
        return wait is not None and self._gate.is_open

    # ---- streams ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stream(self, grant: Grant, ref: TaskRef) -> AsyncIterator[AsyncIterator[Answer]]:
        """Listen to one task, under a grant of this account: ``Permit.stream``."""
        if not self.may_stream():
            raise RuntimeError("no stream may be opened now")
        listening = _Listening(self._clock.monotonic())
        self._gate.sent(grant, listening.started, as_stream=True)
        try:
            async with AsyncExitStack() as stack:
                with self._stream_faults(grant, ref, listening):
                    stream = await stack.enter_async_context(self._client.stream(ref))
                listening.seconds = self._clock.monotonic() - listening.started
                self.quota = merged(self.quota, stream.quota)
                yield await stack.enter_async_context(aclosing(self._heard(stream.answers, grant, ref, listening)))
        finally:
            if listening.seconds is not None:
                self._report(
                    STREAM_ENDPOINT, listening.seconds, failure=listening.failure, drift=tuple(listening.drift)
                )

    async def _heard(
        self, answers: AsyncGenerator[Answer], grant: Grant, ref: TaskRef, listening: "_Listening"
    ) -> AsyncGenerator[Answer]:
        with self._stream_faults(grant, ref, listening):
            async for answer in answers:
                self.last_success_at = self._clock.wall()
                listening.drift |= dict.fromkeys(answer.drift)
                yield answer

    @contextmanager
    def _stream_faults(self, grant: Grant, ref: TaskRef, listening: "_Listening") -> Iterator[None]:
        """What the API says of the account holds for it; any other fault is left to the next query to meet."""
        try:
            yield
        except DispatcherError as error:
            now = self._clock.monotonic()
            listening.failure = error.reason
            if listening.seconds is None:
                listening.seconds = now - listening.started
            self.quota = merged(self.quota, error.quota)
            if error.status is not None and names_account(error):
                with self._suspension_logged(now):
                    error.blames = self._gate.failed(grant, _asked(ref), error, now)
            raise

    # ---- reports ---------------------------------------------------------------------------------------------------

    def _report(
        self, endpoint: str, seconds: float, *, failure: Reason | None = None, drift: Sequence[Drift] = ()
    ) -> None:
        self._requests.request_finished(self.settings.name, endpoint, seconds=seconds, failure=failure, drift=drift)

    @contextmanager
    def _suspension_logged(self, now: float) -> Iterator[None]:
        before = self._gate.suspension(now)
        yield
        self._log.suspension(before, self._gate.suspension(now), now)

    # ---- other people's requests -----------------------------------------------------------------------------------

    def owns(self, key: str) -> bool:
        """Whether this is the account's key; it takes as long for any key of that length."""
        own = self._key.reveal()
        return own is not None and compare_digest(own.encode(), key.encode("utf-8", "surrogateescape"))

    def make_way(self, error: DispatcherError) -> None:
        """A request that was not ours met the concurrency cap of this account: ask nothing for a while."""
        now = self._clock.monotonic()
        with self._suspension_logged(now):
            self._gate.make_way(error, now)

    # ---- the key and the settings ----------------------------------------------------------------------------------

    async def watch_key(self) -> None:
        """Follow the key's file for ever: a changed key is tried at once, and without one nothing is sent."""
        if self._key.fault is not None:
            self._log.key_missing(self._key.fault)
        while True:
            await self._clock.sleep(KEY_INTERVAL)
            key = self._key
            if await in_thread(key.refresh) and key is self._key:
                self._key_changed()

    async def prepare(self, settings: AccountSettings, outbound: Outbound | None = None) -> AccountChange:
        """Make, off the event loop, what other settings of this account need; nothing changes until it is committed.

        Raise DispatcherError as making an account does.
        """
        return await in_thread(partial(self._prepared, settings, outbound))

    def _prepared(self, settings: AccountSettings, outbound: Outbound | None) -> AccountChange:
        key = self._read_key(settings) if _key_source(settings) != _key_source(self.settings) else None
        client = self._connect(settings, outbound) if _connection(settings) != _connection(self.settings) else None
        return AccountChange(adopt=partial(self._adopt, settings, key, client), client=client)

    def _adopt(self, settings: AccountSettings, key: SecretSource | None, client: DispatcherClient | None) -> None:
        self.settings = settings
        self._gate.relimit(
            max_in_flight=settings.max_in_flight, max_requests_per_second=settings.max_requests_per_second
        )
        if client:
            self._close_later(self._client)
            self._client = client
        if key:
            self._key = key
            self._key_changed()
        self._wake()

    def _close_later(self, client: DispatcherClient) -> None:
        task = asyncio.create_task(client.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _key_changed(self) -> None:
        if self._key.fault is not None:
            self._log.key_missing(self._key.fault)
        else:
            self._log.key_changed()
        self.quota = Quota()  # it was the old key's, and the new one's answers may not speak of all of it
        self._gate.retry_now(self._clock.monotonic())
        self._wake()

    def _read_key(self, settings: AccountSettings) -> SecretSource:
        return SecretSource(
            env=settings.api_key_env, file=settings.api_key_file, environ=self._environ, hide=self._hide
        )

    def _reveal_key(self) -> str | None:
        return self._key.reveal()

    def _connect(self, settings: AccountSettings, outbound: Outbound | None) -> DispatcherClient:
        return DispatcherClient(
            settings.base_url,
            key=self._reveal_key,
            timeout=settings.timeout,
            max_in_flight=settings.max_in_flight,
            wall=self._clock.wall,
            transport=self._transport,
            again=self._again,
            outbound=outbound,
        )


@dataclass(slots=True)
class _Listening:
    """What becomes of one stream; ``seconds`` are those until its headers came, or it failed."""

    started: float
    seconds: float | None = None
    failure: Reason | None = None
    drift: dict[Drift, None] = field(default_factory=dict)


def _asked(ref: TaskRef) -> object:
    """The one id that the API is asked by: a task is the same whatever else is known of it by now."""
    return next(ref.ids())


def _key_source(settings: AccountSettings) -> tuple[object, ...]:
    return (settings.api_key_env, settings.api_key_file)


def _connection(settings: AccountSettings) -> tuple[object, ...]:
    return (settings.base_url, settings.timeout, settings.max_in_flight)
