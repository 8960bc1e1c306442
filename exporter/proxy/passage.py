"""One client's connection and the one to the upstream beside it: bytes pass between them as they come.

The two live and die together. So a client meets what it would have met alone: a connection that the upstream closes
while it rests, an answer that breaks off, a server that stops reading. Nothing is asked twice, nobody's request waits
for another's, and no connection is shared between clients.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

from exporter.metrics.families.proxy import UpstreamFault
from exporter.proxy import refusal
from exporter.proxy.answering import Answering
from exporter.proxy.exchange import Exchange, Watcher
from exporter.proxy.framing import FramingError, UntilClose, framing_of_request
from exporter.proxy.head import HEAD_END, HEAD_LIMIT, VIA, HeadError, RequestHead
from exporter.proxy.reaching import Upstream, UpstreamError
from exporter.proxy.refusal import Refusal
from exporter.proxy.upstream_side import UpstreamSide

HEAD_SECONDS = 60.0
"""So long a client may take for the head of a request, however steadily it comes."""

REST_SECONDS = 600.0
"""So long a connection may rest between two requests."""

LINGER_SECONDS = 2.0
"""So long a client that is not listened to any more may go on: closed before, it might lose the answer it was sent
(RFC 9112 §9.6)."""

HOPS = 3
"""So many sidecars may stand in a row; more are one that leads to itself."""

SILENT_SECONDS = 900.0
"""So long nothing may pass either way before both are taken for dead."""

HOLD_SECONDS = 0.25
"""So long an answer waits at most for what it says to be durable."""

GIVEN_UP_SECONDS = 1.0
"""A client that leaves after so long without an answer has given the upstream up; sooner, it has changed its mind."""

WAITING_LIMIT = 64 * 1024
"""Bytes of the next request that are read while this one is not over."""


class Doors(Protocol):
    """What a passage needs of the sidecar."""

    @property
    def upstream_timeout(self) -> float: ...

    async def connect(self, upstream: Upstream, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Open a connection; raises UpstreamError."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let this run beside everything else."""


class Passage(asyncio.Protocol):
    """The client's side, and what is decided for both. While it stands it is in ``standing``."""

    def __init__(self, doors: Doors, watcher: Watcher, *, standing: "set[Passage]") -> None:
        self._doors = doors
        self._watcher = watcher
        self._standing = standing
        self._loop = asyncio.get_running_loop()
        self._pending = bytearray()  # of the client, not yet taken
        self._exchange: Exchange | None = None
        self._answering: Answering | None = None  # of that exchange
        self._upstream: UpstreamSide | None = None
        self._opening: asyncio.Task[None] | None = None
        self._is_ending = False
        self._is_client_full = False
        self._lingers_since: float | None = None
        self._moved_at = self._loop.time()
        self._head_at = self._moved_at

    # ---- for whoever keeps it --------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return self._exchange is not None

    def end(self) -> None:
        """Take no further request; close now if none is under way."""
        self._is_ending = True
        if self._exchange is None:
            self._close()

    def abort(self) -> None:
        """Close both connections at once."""
        self._client.abort()

    def sweep(self, now: float) -> None:
        """Give up what takes too long."""
        silent = now - self._moved_at
        exchange = self._exchange
        if self._client.is_closing():
            if silent > REST_SECONDS:  # it does not read what it was sent
                self.abort()
        elif self._lingers_since is not None:
            if now - self._lingers_since > LINGER_SECONDS:
                self._client.close()
        elif exchange is None:
            if self._pending and now - self._head_at > HEAD_SECONDS:
                self._refuse(refusal.HEAD_TIMEOUT)
            elif silent > REST_SECONDS:
                self._close()
        elif self._is_late(exchange, now):
            self._refuse(refusal.ANSWER_TIMEOUT)
        elif silent > SILENT_SECONDS:
            self.abort()

    def _is_late(self, exchange: Exchange, now: float) -> bool:
        waits_since = exchange.sent_at if exchange.answer is None else None
        return waits_since is not None and now - waits_since > self._doors.upstream_timeout

    def _is_given_up(self, exchange: Exchange) -> bool:
        """Whether the client that leaves now has waited in vain: most have less patience than ``upstream_timeout``."""
        waits_since = exchange.sent_at if self._upstream else exchange.began_at
        if waits_since is None or exchange.answer is not None or self._is_ending:
            return False
        return self._loop.time() - waits_since >= GIVEN_UP_SECONDS

    # ---- what the client's transport calls --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast("asyncio.Transport", transport)
        self._standing.add(self)

    def data_received(self, data: bytes) -> None:
        if self._lingers_since is not None:
            return
        self._moved_at = self._loop.time()
        if not self._pending:
            self._head_at = self._moved_at
        self._pending += data
        self._go_on()

    def eof_received(self) -> None:
        """A client that says no more has gone: hardly any ends its half alone, and a stream must not outlive it."""
        if self._exchange is not None:
            self._client.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self._standing.discard(self)
        if self._exchange and self._is_given_up(self._exchange):
            self._exchange.fault = UpstreamFault.GIVEN_UP
        if self._opening:
            self._opening.cancel()
        if self._upstream:
            self._upstream.abort()
            self._upstream = None
        self._report(is_cut=True)

    def pause_writing(self) -> None:
        self._is_client_full = True
        if self._upstream:
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        self._is_client_full = False
        if self._upstream:
            self._upstream.resume_reading()

    # ---- requests --------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Take as much of what the client said as may be taken now."""
        while self._pending and not self._client.is_closing():
            if self._exchange is None:
                if self._is_ending or not self._begin():
                    break
            elif self._upstream is None or self._exchange.request.is_over:
                break
            elif not self._send(self._exchange, self._upstream):
                return
        self._throttle()

    def _throttle(self) -> None:
        if self._client.is_closing():
            return
        waits = len(self._pending) > WAITING_LIMIT or (self._upstream is not None and self._upstream.is_full)
        if waits:
            self._client.pause_reading()
        else:
            self._client.resume_reading()

    def _begin(self) -> bool:
        """Begin an exchange where the head of a request is there; say whether to go on."""
        request = self._read_head()
        if request is None:
            return False
        try:
            framing = framing_of_request(request)
        except HeadError as error:
            self._refuse(refusal.bad_request(error))
            return False
        if request.method == b"CONNECT":
            self._refuse(refusal.NO_PROXY)
            return False
        if request.tokens(b"via").count(VIA) >= HOPS:
            self._refuse(refusal.LOOP)
            return False
        route = self._watcher.route(request)
        self._exchange = exchange = Exchange(request, route, framing, began_at=self._loop.time())
        self._answering = Answering(exchange, self._client, closes=lambda: self._closes_after(exchange))
        if request.authority and not self._is_meant(request.authority, route.upstream):
            self._refuse(refusal.MISDIRECTED)
            return False
        if self._upstream is not None and self._upstream.leads_to is not route.upstream:
            self._upstream.abort()
            self._upstream = None
        if self._upstream is None:
            self._opening = self._doors.spawn(self._open(exchange))
            return True
        return self._send(exchange, self._upstream, head=_head_for_upstream(exchange))

    def _read_head(self) -> RequestHead | None:
        """The head of the next request, where it is there whole and can be read."""
        while self._pending.startswith(b"\r\n"):  # RFC 9112 §2.2: some clients end a body with one too many
            del self._pending[:2]
        end = self._pending.find(HEAD_END)
        if end < 0 or end > HEAD_LIMIT:
            if len(self._pending) > HEAD_LIMIT:
                self._refuse(refusal.HEAD_TOO_LARGE)
            return None
        head = bytes(self._pending[:end])
        del self._pending[: end + len(HEAD_END)]
        try:
            return RequestHead.read(head)
        except HeadError as error:
            self._refuse(refusal.bad_request(error))
            return None

    def _is_meant(self, authority: bytes, upstream: Upstream) -> bool:
        """Whether a client that names a server in its target means this one, and so may send its key there."""
        host, port = self._client.get_extra_info("sockname")[:2]
        ours = (f"{host}:{port}", f"[{host}]:{port}", f"localhost:{port}")
        return authority.lower() in (upstream.authority.lower(), *(name.encode() for name in ours))

    async def _open(self, exchange: Exchange) -> None:
        upstream = exchange.route.upstream
        try:
            async with asyncio.timeout(self._doors.upstream_timeout):
                await self._doors.connect(upstream, lambda: UpstreamSide(self, upstream))
        except TimeoutError:
            self._refuse(refusal.CONNECT_TIMEOUT)
        except UpstreamError as error:
            self._refuse(refusal.unreachable(error))
        finally:
            self._opening = None

    def upstream_filled(self) -> None:
        """The upstream takes no more for now."""
        self._throttle()

    def upstream_emptied(self) -> None:
        """It takes more again."""
        self._go_on()

    def upstream_opened(self, upstream: UpstreamSide) -> None:
        """The connection that the present exchange waits for is there."""
        self._upstream = upstream
        if self._exchange is None or self._client.is_closing():
            upstream.abort()
            return
        if self._is_client_full:  # of what another upstream has said
            # asyncio begins to read a new connection after this: that of Python 3.11.2 even where it was paused before
            self._loop.call_soon(self._pause_while_full, upstream)
        if self._send(self._exchange, upstream, head=_head_for_upstream(self._exchange)):
            self._go_on()

    def _pause_while_full(self, upstream: UpstreamSide) -> None:
        if self._is_client_full and self._upstream is upstream:
            upstream.pause_reading()

    def _send(self, exchange: Exchange, upstream: UpstreamSide, *, head: bytes = b"") -> bool:
        """Send on what has come of the body, with the head where that comes first; say whether to go on."""
        asked, data = exchange.route.asked, bytes(self._pending)
        try:
            taken = exchange.request.feed(data, asked.add if asked else None)
        except FramingError as error:
            self._refuse(refusal.bad_request(error))
            return False
        del self._pending[:taken]
        upstream.write(head + data[:taken])
        if exchange.request.is_over:
            exchange.sent_at = self._loop.time()
        if exchange.is_over:
            self._complete(exchange)
        return True

    # ---- answers ---------------------------------------------------------------------------------------------------

    def answer_received(self, data: bytes) -> None:
        """The upstream has said this."""
        self._moved_at = self._loop.time()
        exchange = self._exchange
        if exchange is None:  # it speaks unasked: to say, perhaps, that it has waited long enough
            self._close()
            return
        only_waits = exchange.is_over  # for what it says to be durable
        if only_waits:
            self._spoil()
            return
        if self._answering and not self._answering.take(data):
            self._spoil()
        if exchange.is_over:
            self._complete(exchange)

    def _spoil(self) -> None:
        """Bytes came behind the end of an answer: nobody knows what they mean."""
        if self._upstream:
            self._upstream.is_spoilt = True

    def answer_ended(self, error: Exception | None) -> None:
        """The upstream's connection is gone."""
        self._upstream = None
        exchange = self._exchange
        if exchange is None:
            self._close()
        elif isinstance(exchange.answer, UntilClose) and error is None:
            exchange.answer.is_over = True
            self._complete(exchange)
        elif not exchange.is_over:  # else it only waits for what it says to be durable
            if self._answering:
                self._answering.break_off()
            if not exchange.has_answer:
                exchange.fault = UpstreamFault.CUT
            self._report(is_cut=True)
            if error and not exchange.has_answer:
                self.abort()
            else:
                self._close(lingers=not exchange.request.is_over)

    # ---- ends ------------------------------------------------------------------------------------------------------

    def _closes_after(self, exchange: Exchange) -> bool:
        head, answer = exchange.answer_head, exchange.answer
        by_answer = head is None or head.closes or (answer is not None and answer.ends_with_connection)
        return self._is_ending or exchange.head.closes or by_answer

    def _complete(self, exchange: Exchange) -> None:
        learning = self._watcher.passed(exchange)
        if learning is not None and self._answering is not None and self._answering.is_held:
            self._doors.spawn(self._finish_when_learnt(exchange, learning))
        else:
            if learning is not None:
                self._doors.spawn(learning)
            self._finish(exchange)

    async def _finish_when_learnt(self, exchange: Exchange, learning: Coroutine[Any, Any, None]) -> None:
        await asyncio.wait([self._doors.spawn(learning)], timeout=HOLD_SECONDS)
        self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        if self._exchange is not exchange:  # the client has gone meanwhile
            return
        if self._answering:
            self._answering.let_go()
        self._exchange, self._answering = None, None
        self._head_at = self._loop.time()
        if self._upstream is None or self._upstream.is_spoilt or self._closes_after(exchange):
            self._close(lingers=bool(self._pending))
        else:
            self._go_on()

    def _report(self, *, is_cut: bool) -> None:
        exchange, self._exchange, self._answering = self._exchange, None, None
        if exchange is not None and not exchange.is_over:
            exchange.is_cut = is_cut and not exchange.has_answer
            learning = self._watcher.passed(exchange)
            if learning is not None:
                self._doors.spawn(learning)

    def _refuse(self, why: Refusal) -> None:
        """Answer in the upstream's stead, where nothing of an answer has passed yet, and close."""
        exchange = self._exchange
        if exchange is not None and exchange.answer is not None:
            if self._answering:
                self._answering.let_go()
            self._report(is_cut=True)
        else:
            if exchange is not None:
                exchange.code, exchange.is_ours, exchange.fault = why.status, True, why.fault
                self._report(is_cut=False)
            self._client.write(why.answer(exchange.head.method if exchange is not None else b""))
        self._close(lingers=True)

    def _close(self, *, lingers: bool = False) -> None:
        """Close both, after what was written to the client; ``lingers``: after what it still says, too."""
        if self._upstream:
            self._upstream.abort()
            self._upstream = None
        self._pending.clear()
        if self._client.is_closing() or self._lingers_since is not None:
            return
        if lingers:
            self._lingers_since = self._loop.time()
            self._client.write_eof()
            self._client.resume_reading()
        else:
            self._client.close()


def _head_for_upstream(exchange: Exchange) -> bytes:
    upstream = exchange.route.upstream
    return exchange.head.for_upstream(host=upstream.authority, prefix=upstream.prefix, more=upstream.more)
