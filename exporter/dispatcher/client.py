"""One account's HTTP client: one question, one answer, nothing remembered. Of a stream, the answers as they come."""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
from httpx_sse import SSEError

from exporter.dispatcher.answer import Answer, DispatcherError, Quota, Reason
from exporter.dispatcher.payload import BODY_LIMIT, conceal, decode, unpack
from exporter.dispatcher.quota import read_quota
from exporter.dispatcher.stream import SILENCE_LIMIT, read_stream, stream_path
from exporter.dispatcher.taxonomy import judge
from exporter.dispatcher.wire import parse_record, request_body
from exporter.tasks.identity import TaskRef
from exporter.version import version

# The most specific first. The texts are ours: a foreign one may quote a header, and with it the key.
_FAULTS: tuple[tuple[type[BaseException], Reason, str], ...] = (
    (httpx.ConnectTimeout, Reason.TIMEOUT, "no connection in time"),
    (httpx.PoolTimeout, Reason.TIMEOUT, "no free connection in time"),
    (httpx.TimeoutException, Reason.TIMEOUT, "no answer in time"),
    (TimeoutError, Reason.TIMEOUT, "no whole answer in time"),
    (httpx.ConnectError, Reason.CONNECT, "no connection"),
    (httpx.ProxyError, Reason.CONNECT, "the proxy gives no connection"),
    (httpx.NetworkError, Reason.NETWORK, "connection lost"),
    (httpx.RemoteProtocolError, Reason.NETWORK, "an answer that is not HTTP, or none"),
    (httpx.UnsupportedProtocol, Reason.BAD_ROUTE, "base_url is not an http or https address"),
    (httpx.InvalidURL, Reason.BAD_ROUTE, "base_url is not an address"),
    (httpx.DecodingError, Reason.BAD_RESPONSE, "a body that cannot be decoded"),
    (SSEError, Reason.BAD_RESPONSE, "not an event stream"),
    (httpx.HTTPError, Reason.NETWORK, "the exchange failed"),
)


@contextmanager
def named_faults() -> Iterator[None]:
    """Let nothing but DispatcherError and cancellation out."""
    try:
        yield
    except DispatcherError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever a library raises, no loop may end by it)
        # the cause is not shown with it: its text may quote the request, and with it the key
        raise _named(error) from None


def _named(error: Exception) -> DispatcherError:
    if isinstance(error, httpx.TransportError) and _has_tls_cause(error):
        return DispatcherError(Reason.TLS, "no secure connection")
    if isinstance(error, httpx.RemoteProtocolError) and "without sending complete message body" in str(error):
        return DispatcherError(Reason.TRUNCATED, "the connection closed within the body")
    for kind, reason, detail in _FAULTS:
        if isinstance(error, kind):
            return DispatcherError(reason, detail)
    return DispatcherError(Reason.INTERNAL, f"unforeseen {type(error).__name__}")


def _has_tls_cause(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


PATH = "/v1/tasks/query"

KEEPALIVE = 30.0
"""Seconds an idle connection is kept: shorter than the idle limit of the usual load balancer (60 s)."""

_SENDABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """A validated answer and the money headers that came with it."""

    answer: Answer
    quota: Quota


@dataclass(frozen=True, slots=True)
class Stream:
    """An open stream: the answers of one task as they come, and the money headers that came before them."""

    answers: AsyncGenerator[Answer]
    quota: Quota


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: httpx.Headers
    body: bytes


class DispatcherClient:
    """Asks ``POST /v1/tasks/query``, listens to ``GET /v1/tasks/stream/…``; safe for concurrent use within one loop.

    ``key`` is asked before each request. ``timeout`` (seconds) bounds each phase and the whole exchange. Redirects are
    never followed. The environment's proxy variables (``HTTPS_PROXY``, ``NO_PROXY``, …) and ``SSL_CERT_FILE`` are
    honoured, as operators expect. ``wall`` tells Unix seconds.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: Callable[[], str | None],
        timeout: float,
        max_in_flight: int,
        wall: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
        silence_limit: float = SILENCE_LIMIT,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._wall = wall
        self._silence_limit = silence_limit
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._http = httpx.AsyncClient(
            headers={
                "User-Agent": f"bytespike-exporter/{version()}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # answers are some hundred bytes
                "Content-Type": "application/json",
            },
            timeout=httpx.Timeout(timeout),
            # the pool's work grows with the square of its connections: no more than can be in use
            limits=httpx.Limits(
                max_connections=max_in_flight,
                max_keepalive_connections=max_in_flight,
                keepalive_expiry=KEEPALIVE,
            ),
            follow_redirects=False,
            transport=transport,
        )

    async def query(self, ref: TaskRef) -> Reply:
        """Ask once; every fault is a DispatcherError, which carries the money headers where they arrived."""
        key = _sendable(self._key())
        response = await self._exchange(request_body(ref), key)
        with _quota_kept(response.headers) as quota:
            return Reply(self._read(response, ref, key), quota)

    @asynccontextmanager
    async def stream(self, ref: TaskRef) -> AsyncIterator[Stream]:
        """Listen to one task, by its ``task_id``; every fault is a DispatcherError, also while listening.

        ``timeout`` bounds the opening, the silence limit the wait for each further byte. An unknown task is an answer.
        """
        key = _sendable(self._key())
        headers = {**_authorization(key), "Accept": "text/event-stream", "Cache-Control": "no-store"}
        url, limits = self._base_url + stream_path(ref), httpx.Timeout(self._timeout, read=self._silence_limit)
        with self._under_way(), named_faults():
            async with asyncio.timeout(self._timeout) as opening:
                async with self._http.stream("GET", url, headers=headers, timeout=limits) as response:
                    with _quota_kept(response.headers) as quota:
                        stream = Stream(await self._listen(response, ref, key), quota)
                    opening.reschedule(None)
                    yield stream

    async def aclose(self) -> None:
        """Let what is under way end (``timeout`` bounds a query, the caller a stream), then close the connections."""
        await self._idle.wait()
        await self._http.aclose()

    async def _exchange(self, body: bytes, key: str) -> _Response:
        with self._under_way(), named_faults():
            async with asyncio.timeout(self._timeout):
                return await self._post(body, key)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _post(self, body: bytes, key: str) -> _Response:
        url, headers = self._base_url + PATH, _authorization(key)
        async with self._http.stream("POST", url, content=body, headers=headers) as response:
            return await _received(response)

    async def _listen(self, response: httpx.Response, ref: TaskRef, key: str) -> AsyncGenerator[Answer]:
        if response.status_code == 200:
            return read_stream(response, asked=ref, key=key)
        return _only(self._judge(await _received(response), key))

    def _read(self, response: _Response, ref: TaskRef, key: str) -> Answer:
        if 200 <= response.status < 300:
            return parse_record(decode(conceal(_unpacked(response), key)), asked=ref)
        return self._judge(response, key)

    def _judge(self, response: _Response, key: str) -> Answer:
        body = conceal(_unpacked_error(response), key)
        verdict = judge(response.status, response.headers, body, now=self._wall())
        if isinstance(verdict, DispatcherError):
            raise verdict
        return verdict


@contextmanager
def _quota_kept(headers: httpx.Headers) -> Iterator[Quota]:
    """Let every fault carry the money headers."""
    quota = read_quota(headers)
    try:
        with named_faults():
            yield quota
    except DispatcherError as error:
        error.quota = quota
        raise


async def _only(answer: Answer) -> AsyncGenerator[Answer]:
    yield answer


async def _received(response: httpx.Response) -> _Response:
    return _Response(response.status_code, response.headers, await _body(response))


async def _body(response: httpx.Response) -> bytes:
    """The body as it was sent. What stands in a redirect, or is too long in an error, is left unread."""
    if response.is_redirect:
        return b""
    try:
        return await _bounded(response)
    except DispatcherError:
        if response.is_success:
            raise
        return b""  # the status alone says what it means


async def _bounded(response: httpx.Response) -> bytes:
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > 12 or int(announced) > BODY_LIMIT):
        raise DispatcherError(Reason.TOO_LARGE, f"more than {BODY_LIMIT} bytes announced", status=response.status_code)
    if response.is_stream_consumed:  # a transport may hand over what it holds already, as httpx.MockTransport does
        return response.content
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise DispatcherError(Reason.TOO_LARGE, f"more than {BODY_LIMIT} bytes", status=response.status_code)
    return bytes(body)


def _unpacked(response: _Response) -> bytes:
    return unpack(response.body, response.headers.get("Content-Encoding", ""))


def _unpacked_error(response: _Response) -> bytes:
    try:
        return _unpacked(response)
    except DispatcherError:
        return b""


def _authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _sendable(key: str | None) -> str:
    if not key:
        raise DispatcherError(Reason.INVALID_API_KEY, "there is no API key")
    if not _SENDABLE.fullmatch(key):
        raise DispatcherError(Reason.INVALID_API_KEY, "the API key holds characters that no header may carry")
    return key
