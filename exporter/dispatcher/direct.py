"""Our own way to one server: a few connections, the one that rested last first, and one timer for all of them.

It does what is done all day and nothing else: small requests over HTTP/1.1, with TLS or without, straight to the
server. What it does not do (proxies, redirects, HTTP/2, streams) is httpx's: ``connection`` decides.
"""

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any

import httpx

from exporter.connecting import connect
from exporter.dispatcher.exchange import (
    KEEPALIVE,
    MAX_AGE,
    Again,
    Headers,
    Response,
    RetryBudget,
    at_once,
    standing_headers,
)
from exporter.dispatcher.http1 import HttpConnection, UnansweredError


class DirectExchange(httpx.AsyncBaseTransport):
    """An ``Exchange`` over connections of its own, ``max_in_flight`` at most; a transport for httpx as well.

    ``timeout`` (seconds) bounds a whole exchange: waiting for a free connection, opening one, and each byte of the
    answer. A cancelled exchange closes its connection. A connection that rested may be closed by the server in the very
    moment in which it is used; then the request is sent once more, over a new one, as ``RetryBudget`` has it.
    """

    def __init__(
        self, url: httpx.URL, *, timeout: float, max_in_flight: int, context: ssl.SSLContext, again: Again = at_once
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._retries = RetryBudget(again)
        self._tls = _for_http1(context) if url.scheme == "https" else None
        self._free_slots = max_in_flight
        self._freed = asyncio.Event()
        self._standing: set[HttpConnection] = set()
        self._busy: set[HttpConnection] = set()
        self._idle: deque[HttpConnection] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at = math.inf
        self._head: tuple[str, Mapping[str, str], bytes] = ("", {}, b"")

    def post(self, path: str, *, body: bytes, headers: Mapping[str, str]) -> Coroutine[Any, Any, Response]:
        return self._exchange(b"%b%d\r\n\r\n%b" % (self._head_of(path, headers), len(body), body))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """For httpx: a request with a body of known length, or none, to the same server."""
        stream = request.stream
        body = b"".join(stream) if isinstance(stream, httpx.ByteStream) else await request.aread()
        return _Whole(await self._exchange(_bytes_of(request, body, self._url)))

    async def aclose(self) -> None:
        """Close every connection, and see them closed."""
        if self._timer:
            self._timer.cancel()
        self._timer, self._wake_at = None, math.inf
        self._idle.clear()
        standing = list(self._standing)
        for connection in standing:
            connection.abort()
        for connection in standing:
            await connection.lost.wait()

    # ---- one exchange ----------------------------------------------------------------------------------------------

    async def _exchange(self, request: bytes) -> Response:
        loop = asyncio.get_running_loop()
        now = loop.time()
        deadline = now + self._timeout
        if not self._free_slots:
            await self._until_freed(deadline)
        self._free_slots -= 1
        try:
            if (rested := self._rested(now)) is not None:
                try:
                    return await self._over(rested, request, deadline, loop)
                except UnansweredError:
                    if not await self._retries.allows(deadline - loop.time()):
                        raise
            return await self._over(await self._opened(deadline), request, deadline, loop)
        finally:
            self._free_slots += 1
            if self._free_slots == 1:
                self._freed.set()

    async def _over(
        self, connection: HttpConnection, request: bytes, deadline: float, loop: asyncio.AbstractEventLoop
    ) -> Response:
        answer: asyncio.Future[Response] = loop.create_future()
        connection.deadline = deadline
        self._busy.add(connection)
        if deadline < self._wake_at:
            self._wake(deadline)
        try:
            connection.ask(request, answer)
            response = await answer
        finally:
            del answer  # it holds what went wrong, which leads to this call: neither would be freed soon
            self._busy.discard(connection)
            if connection.is_reusable:
                self._rest(connection, loop.time())
            else:
                connection.abort()
        self._retries.answers += 1
        return response

    async def _until_freed(self, deadline: float) -> None:
        """Wait for a slot: never where whoever asks keeps to the limit, too."""
        try:
            async with asyncio.timeout_at(deadline):
                while not self._free_slots:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise httpx.PoolTimeout("no free connection") from None

    # ---- connections -----------------------------------------------------------------------------------------------

    def _rested(self, now: float) -> HttpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and now - connection.opened_at < MAX_AGE and self._retries.is_earned:
                return connection
            connection.abort()
        return None

    def _rest(self, connection: HttpConnection, now: float) -> None:
        connection.rested_at = now
        self._idle.append(connection)
        if now + KEEPALIVE < self._wake_at:
            self._wake(now + KEEPALIVE)

    async def _opened(self, deadline: float) -> HttpConnection:
        loop = asyncio.get_running_loop()
        host = self._url.raw_host.decode("ascii")
        try:
            async with asyncio.timeout_at(deadline):
                connection = await connect(
                    lambda: HttpConnection(standing=self._standing),
                    host=host,
                    port=self._url.port or (443 if self._tls else 80),
                    tls=self._tls,
                )
        except TimeoutError as error:
            raise (httpx.ConnectTimeout if loop.time() >= deadline else httpx.ConnectError)("no connection") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that no resolver takes
            raise httpx.ConnectError("no connection") from _told_apart(error)
        if not connection.is_open:
            raise UnansweredError("closed before it was asked")
        connection.opened_at = loop.time()
        return connection

    # ---- time ------------------------------------------------------------------------------------------------------

    def _wake(self, at: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._wake_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._sweep)

    def _sweep(self) -> None:
        """Let fail what is out of time, close what has rested too long, and see when there will be more to do."""
        now = asyncio.get_running_loop().time()
        self._timer, self._wake_at = None, math.inf
        for connection in [late for late in self._busy if late.deadline <= now]:
            self._busy.discard(connection)
            connection.expire()
        while self._idle and self._idle[0].rested_at + KEEPALIVE <= now:
            self._idle.popleft().abort()
        due = [connection.deadline for connection in self._busy]
        due += [connection.rested_at + KEEPALIVE for connection in list(self._idle)[:1]]
        if due:
            self._wake(min(due))

    # ---- requests --------------------------------------------------------------------------------------------------

    def _head_of(self, path: str, headers: Mapping[str, str]) -> bytes:
        """All of a request before the length of its body; it is made anew when the path or the key is another."""
        known_path, known_headers, head = self._head
        if path != known_path or headers != known_headers:
            head = self._new_head(path, headers)
            self._head = (path, dict(headers), head)
        return head

    def _new_head(self, path: str, headers: Mapping[str, str]) -> bytes:
        url = httpx.URL(str(self._url).rstrip("/") + path)
        said = {"Host": url.netloc.decode("ascii"), **standing_headers(), "Connection": "keep-alive", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        return b"POST %b HTTP/1.1\r\n%bContent-Length: " % (url.raw_path, lines.encode("ascii"))


class _Whole(httpx.Response):
    """A response that has come whole: whoever reads it waits for nothing."""

    def __init__(self, response: Response) -> None:
        headers = response.headers.raw if isinstance(response.headers, Headers) else response.headers
        self._body = response.body
        self._unread = httpx.ByteStream(response.body)
        super().__init__(response.status, headers=headers, stream=self._unread)
        self._is_plain = not response.encoding

    async def aread(self) -> bytes:
        if not self._is_plain:
            return await super().aread()
        if not self.is_closed:
            self.is_stream_consumed = True
            if self.stream is self._unread:
                self.is_closed = True
            else:  # a client has put its own around it, to learn when it is closed
                await self.aclose()
        return self._body

    @property
    def content(self) -> bytes:
        return self._body if self._is_plain and self.is_stream_consumed else super().content


def _told_apart(error: OSError | UnicodeError) -> Exception:
    """asyncio takes a server that hangs up within the handshake for a lost connection, but one without a number."""
    is_within_handshake = isinstance(error, ConnectionResetError) and error.errno is None
    return ssl.SSLEOFError("closed within the handshake") if is_within_handshake else error


def _for_http1(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["http/1.1"])
    return context


def _bytes_of(request: httpx.Request, body: bytes, server: httpx.URL) -> bytes:
    url, headers = request.url, request.headers.raw
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    same = (url.scheme, url.raw_host, url.port) == (server.scheme, server.raw_host, server.port)
    if not same or request.method in ("HEAD", "CONNECT") or b"\ntransfer-encoding:" in b"\n" + lines.lower():
        raise httpx.UnsupportedProtocol("this transport asks one server, with bodies of known length")
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (request.method.encode("ascii"), url.raw_path, lines)
    if not head.count(b"\r") == head.count(b"\n") == len(headers) + 2:
        raise httpx.LocalProtocolError("a line break within a header")
    return head + body
