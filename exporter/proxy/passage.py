"""One client's connection and the one to the upstream beside it: bytes pass between them as they come.

The two live and die together. So a client meets what it would have met alone: a connection that the upstream closes
while it rests, an answer that breaks off, a server that stops reading. Nothing is asked twice, nobody's request waits
for another's, and no connection is shared between clients.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

from exporter.proxy.exchange import Exchange, Upstream, Watcher
from exporter.proxy.framing import Framing, FramingError, UntilClose, framing_of_request, framing_of_response
from exporter.proxy.head import HEAD_END, HEAD_LIMIT, VIA, HeadError, RequestHead, ResponseHead

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

WAITING_LIMIT = 64 * 1024
"""Bytes of the next request that are read while this one is not over."""


class Doors(Protocol):
    """What a passage needs of the sidecar."""

    @property
    def upstream_timeout(self) -> float: ...

    async def connect(self, upstream: Upstream, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Open a connection; raises OSError or TimeoutError."""

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
        self._upstream: _UpstreamSide | None = None
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
                self._refuse(408, "request_timeout", "no whole request came in time")
            elif silent > REST_SECONDS:
                self._close()
        elif self._is_late(exchange, now):
            self._refuse(504, "upstream_timeout", "the upstream did not answer in time")
        elif silent > SILENT_SECONDS:
            self.abort()

    def _is_late(self, exchange: Exchange, now: float) -> bool:
        waits_since = exchange.sent_at if exchange.answer is None else None
        return waits_since is not None and now - waits_since > self._doors.upstream_timeout

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
            elif not self._send_body(self._exchange, self._upstream):
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
        while self._pending.startswith(b"\r\n"):  # RFC 9112 §2.2: some clients end a body with one too many
            del self._pending[:2]
        end = self._pending.find(HEAD_END)
        if end < 0 or end > HEAD_LIMIT:
            if len(self._pending) > HEAD_LIMIT:
                self._refuse(431, "head_too_large", f"the head of a request is longer than {HEAD_LIMIT} bytes")
            return False
        head = bytes(self._pending[:end])
        del self._pending[: end + len(HEAD_END)]
        try:
            request = RequestHead.read(head)
            framing = framing_of_request(request)
        except HeadError as error:
            self._refuse(400, "bad_request", f"{error}")
            return False
        if request.method == b"CONNECT":
            self._refuse(405, "method_not_allowed", "this is no proxy for other servers")
            return False
        if request.tokens(b"via").count(VIA) >= HOPS:
            self._refuse(508, "loop_detected", "the upstream is this exporter itself: see base_url")
            return False
        route = self._watcher.route(request)
        self._exchange = exchange = Exchange(request, route, framing, began_at=self._loop.time())
        if route.is_held:
            exchange.held = bytearray()
        if self._upstream is not None and self._upstream.leads_to is not route.upstream:
            self._upstream.abort()
            self._upstream = None
        if self._upstream is None:
            self._opening = self._doors.spawn(self._open(exchange))
        else:
            self._send_head(exchange, self._upstream)
        return True

    async def _open(self, exchange: Exchange) -> None:
        upstream = exchange.route.upstream
        try:
            async with asyncio.timeout(self._doors.upstream_timeout):
                await self._doors.connect(upstream, lambda: _UpstreamSide(self, upstream))
        except TimeoutError:
            self._refuse(504, "upstream_timeout", "no connection to the upstream in time")
        except OSError:
            self._refuse(502, "upstream_unreachable", "no connection to the upstream")
        finally:
            self._opening = None

    def upstream_filled(self) -> None:
        """The upstream takes no more for now."""
        self._throttle()

    def upstream_emptied(self) -> None:
        """It takes more again."""
        self._go_on()

    def upstream_opened(self, upstream: "_UpstreamSide") -> None:
        """The connection that the present exchange waits for is there."""
        self._upstream = upstream
        if self._exchange is None or self._client.is_closing():
            upstream.abort()
            return
        if self._is_client_full:  # of what another upstream has said
            upstream.pause_reading()
        self._send_head(self._exchange, upstream)
        self._go_on()

    def _send_head(self, exchange: Exchange, upstream: "_UpstreamSide") -> None:
        route = exchange.route.upstream
        head = exchange.head
        if route.prefix:
            head = RequestHead(head.minor, head.fields, head.method, route.prefix + head.target)
        upstream.write(head.for_upstream(host=route.authority))
        self._note_sent(exchange)

    def _send_body(self, exchange: Exchange, upstream: "_UpstreamSide") -> bool:
        route, data = exchange.route, bytes(self._pending)
        try:
            taken = exchange.request.feed(data, route.asked.add if route.asked else None)
        except FramingError as error:
            self._refuse(400, "bad_request", f"{error}")
            return False
        upstream.write(data[:taken] if taken < len(data) else data)
        del self._pending[:taken]
        self._note_sent(exchange)
        if exchange.is_over:
            self._complete(exchange)
        return True

    def _note_sent(self, exchange: Exchange) -> None:
        if exchange.request.is_over:
            exchange.sent_at = self._loop.time()

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
        if exchange.answer is None:
            data = self._read_head(exchange, data)
        if exchange.answer is not None and data:
            self._pass_body(exchange, exchange.answer, data)
        if exchange.is_over:
            self._complete(exchange)
        elif exchange.has_answer:  # before the request was there: the client may wait for it with the rest
            self._let_go(exchange)

    def _read_head(self, exchange: Exchange, data: bytes) -> bytes:
        """Take the heads that have come whole, and return what is behind the last of them."""
        begun = exchange.answer_begins
        begun += data
        while exchange.answer is None and (end := begun.find(HEAD_END)) >= 0:
            raw = bytes(begun[: end + len(HEAD_END)])
            try:
                head = ResponseHead.read(raw[: -len(HEAD_END)])
            except HeadError:
                return self._pass_blindly(exchange)
            del begun[: len(raw)]
            self._take_head(exchange, head)
        if exchange.answer is None and len(begun) > HEAD_LIMIT:
            return self._pass_blindly(exchange)
        rest = bytes(begun) if exchange.answer is not None else b""
        if rest:
            begun.clear()
        return rest

    def _take_head(self, exchange: Exchange, head: ResponseHead) -> None:
        if head.is_interim:
            self._client.write(head.for_client(closes=False))
            return
        exchange.answer_head, exchange.code = head, head.status
        exchange.answer = framing_of_response(head, method=exchange.head.method)
        self._emit(exchange, head.for_client(closes=self._closes_after(exchange)))
        if exchange.answer.ends_with_connection:  # nobody knows when the client takes it for whole
            self._let_go(exchange)

    def _pass_blindly(self, exchange: Exchange) -> bytes:
        """What is not understood passes as it is, up to its end."""
        exchange.answer, exchange.is_blind = UntilClose(), True
        self._let_go(exchange)
        rest = bytes(exchange.answer_begins)
        exchange.answer_begins.clear()
        return rest

    def _pass_body(self, exchange: Exchange, answer: Framing, data: bytes) -> None:
        told = exchange.route.told
        try:
            taken = answer.feed(data, told.add if told and not exchange.is_blind else None)
        except FramingError:
            exchange.answer, exchange.is_blind = UntilClose(), True
            self._let_go(exchange)
            taken = len(data)
        if taken < len(data):
            data = data[:taken]
            self._spoil()
        self._emit(exchange, data)

    def _spoil(self) -> None:
        """Bytes came behind the end of an answer: nobody knows what they mean."""
        if self._upstream:
            self._upstream.is_spoilt = True

    def _emit(self, exchange: Exchange, data: bytes) -> None:
        if exchange.held is None:
            self._client.write(data)
            return
        exchange.held += data
        if len(exchange.held) > WAITING_LIMIT:  # too long to be held
            self._let_go(exchange)

    def _let_go(self, exchange: Exchange) -> None:
        held, exchange.held = exchange.held, None
        if held and not self._client.is_closing():
            self._client.write(bytes(held))

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
            if exchange.answer is None and exchange.answer_begins:
                self._emit(exchange, bytes(exchange.answer_begins))
            self._let_go(exchange)
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
        if learning is not None and exchange.held is not None:
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
        self._let_go(exchange)
        self._exchange = None
        self._head_at = self._loop.time()
        if self._upstream is None or self._upstream.is_spoilt or self._closes_after(exchange):
            self._close(lingers=bool(self._pending))
        else:
            self._go_on()

    def _report(self, *, is_cut: bool) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.is_over:
            exchange.is_cut = is_cut and not exchange.has_answer
            learning = self._watcher.passed(exchange)
            if learning is not None:
                self._doors.spawn(learning)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer in the upstream's stead, where nothing of an answer has passed yet, and close."""
        exchange = self._exchange
        if exchange is not None and exchange.answer is not None:
            self._let_go(exchange)
            self._report(is_cut=True)
        else:
            if exchange is not None:
                exchange.code, exchange.is_ours = status, True
                self._report(is_cut=False)
            self._client.write(_refusal(status, code, message))
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


class _UpstreamSide(asyncio.Protocol):
    """The connection to the upstream: it only tells its passage."""

    def __init__(self, passage: Passage, leads_to: Upstream) -> None:
        self._passage = passage
        self.leads_to = leads_to
        self.is_full = False
        self.is_spoilt = False
        """Whether no further request may use it."""
        self._is_left = False

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def abort(self) -> None:
        """Close at once, and say no more."""
        self._is_left = True
        self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._passage.upstream_opened(self)

    def data_received(self, data: bytes) -> None:
        if not self._is_left:
            self._passage.answer_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_left:
            self._is_left = True
            self._passage.answer_ended(error)

    def pause_writing(self) -> None:
        self.is_full = True
        self._passage.upstream_filled()

    def resume_writing(self) -> None:
        self.is_full = False
        self._passage.upstream_emptied()


_REASONS = {
    400: "Bad Request",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    508: "Loop Detected",
}


def _refusal(status: int, code: str, message: str) -> bytes:
    """An answer in the API's own form."""
    error = {"message": f"bytespike-exporter: {message}", "type": "api_error", "code": code}
    body = json.dumps({"error": error}).encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nVia: {VIA.decode()}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
