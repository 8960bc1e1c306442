"""The HTTP exchange of one account: the only room of the dispatcher that knows which library speaks.

Every fault leaves it as a DispatcherError in words of ours: a foreign text may quote a header, and with it the key.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import httpx
from httpx_sse import SSEError

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.payload import BODY_LIMIT
from exporter.version import version

Transport = httpx.AsyncBaseTransport
"""What may stand in for the network."""

KEEPALIVE = 30.0
"""Seconds an idle connection is kept: shorter than the idle limit of the usual load balancer (60 s)."""

SILENCE_LIMIT = 60.0
"""Seconds without a byte, after which a connection is taken for dead."""

# The most specific first.
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


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response. ``headers`` are found whatever their case; ``body`` is as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class OpenResponse:
    """A response whose body is still to come; what goes wrong then is not a DispatcherError yet (``named_faults``)."""

    status: int
    headers: Mapping[str, str]
    _response: httpx.Response
    _timeout: float

    async def whole(self) -> Response:
        """All of it, in time."""
        async with asyncio.timeout(self._timeout):
            return await _received(self._response)

    def chunks(self) -> AsyncIterator[bytes]:
        """The body piece by piece, without end."""
        return self._response.aiter_bytes()


class Connection:
    """The connections to one server; safe for concurrent use within one loop.

    Making one blocks for some milliseconds (TLS) and raises DispatcherError where the environment names certificates or
    a proxy that cannot be used; it may be done in a thread. ``timeout`` (seconds) bounds each phase and the whole
    exchange. Redirects are never followed. The environment's proxy variables (``HTTPS_PROXY``, ``NO_PROXY``, …) and
    ``SSL_CERT_FILE`` are honoured, as operators expect.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_in_flight: int,
        transport: Transport | None = None,
        silence_limit: float = SILENCE_LIMIT,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._silence_limit = silence_limit
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        with _named_environment():
            self._http = _http(timeout=timeout, max_in_flight=max_in_flight, transport=transport)

    async def post(self, path: str, *, body: bytes, headers: Mapping[str, str]) -> Response:
        """One exchange; every fault is a DispatcherError."""
        with self._under_way(), named_faults():
            async with (
                asyncio.timeout(self._timeout),
                self._http.stream("POST", self._base_url + path, content=body, headers=headers) as response,
            ):
                return await _received(response)

    @asynccontextmanager
    async def listen(self, path: str, *, headers: Mapping[str, str]) -> AsyncIterator[OpenResponse]:
        """Open a response that goes on; every fault is a DispatcherError.

        ``timeout`` bounds the opening, the silence limit the wait for each further byte.
        """
        limits = httpx.Timeout(self._timeout, read=self._silence_limit)
        with self._under_way():
            with named_faults():
                async with asyncio.timeout(self._timeout):
                    request = self._http.build_request("GET", self._base_url + path, headers=headers, timeout=limits)
                    response = await self._http.send(request, stream=True)
            try:
                yield OpenResponse(response.status_code, response.headers, response, self._timeout)
            finally:
                with suppress(httpx.HTTPError):
                    await response.aclose()

    async def aclose(self) -> None:
        """Let what is under way end (``timeout`` bounds an exchange, the caller a stream), then close everything."""
        await self._idle.wait()
        await self._http.aclose()

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


def _http(*, timeout: float, max_in_flight: int, transport: Transport | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
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


# ---- bodies ----------------------------------------------------------------------------------------------------------


async def _received(response: httpx.Response) -> Response:
    return Response(response.status_code, response.headers, await _body(response))


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


# ---- faults ----------------------------------------------------------------------------------------------------------


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


@contextmanager
def _named_environment() -> Iterator[None]:
    try:
        yield
    except OSError:  # ssl.SSLError is one
        raise DispatcherError(Reason.TLS, "the certificates that the environment names cannot be read") from None
    except (ValueError, httpx.InvalidURL):
        raise DispatcherError(Reason.CONNECT, "the proxy that the environment names is no address") from None
