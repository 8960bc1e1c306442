"""httpx as it comes: streams, proxies of the environment, and whatever else ``direct`` does not do."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx

from exporter.dispatcher.answer import DispatcherError
from exporter.dispatcher.exchange import KEEPALIVE, Response, is_too_much, standing_headers, too_large
from exporter.dispatcher.faults import named_faults
from exporter.dispatcher.payload import BODY_LIMIT

Transport = httpx.AsyncBaseTransport
"""What may stand in for the network."""


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


class StockExchange:
    """An ``Exchange`` by httpx, and the one way to listen."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_in_flight: int,
        context: ssl.SSLContext | None,
        transport: Transport | None,
    ) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._http = _http(timeout=timeout, max_in_flight=max_in_flight, context=context, transport=transport)

    async def post(self, path: str, *, body: bytes, headers: Mapping[str, str]) -> Response:
        async with (
            asyncio.timeout(self._timeout),
            self._http.stream("POST", self._base_url + path, content=body, headers=headers) as response,
        ):
            return await _received(response)

    @asynccontextmanager
    async def listen(
        self, path: str, *, headers: Mapping[str, str], silence_limit: float
    ) -> AsyncIterator[OpenResponse]:
        """Open a response that goes on; every fault is a DispatcherError, what is raised beside it is left as it is."""
        limits = httpx.Timeout(self._timeout, read=silence_limit)
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
        await self._http.aclose()


def _http(
    *, timeout: float, max_in_flight: int, context: ssl.SSLContext | None, transport: Transport | None
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        headers=standing_headers(),
        timeout=httpx.Timeout(timeout),
        # the pool's work grows with the square of its connections: no more than can be in use
        limits=httpx.Limits(
            max_connections=max_in_flight,
            max_keepalive_connections=max_in_flight,
            keepalive_expiry=KEEPALIVE,
        ),
        follow_redirects=False,
        verify=True if context is None else context,
        transport=transport,
    )


async def _received(response: httpx.Response) -> Response:
    return Response(response.status_code, response.headers, await _body(response))


async def _body(response: httpx.Response) -> bytes:
    if response.is_redirect:
        return b""
    try:
        return await _bounded(response)
    except DispatcherError:
        if response.is_success:
            raise
        return b""


async def _bounded(response: httpx.Response) -> bytes:
    if is_too_much(response.headers.get("Content-Length", "")):
        raise too_large(response.status_code)
    if response.is_stream_consumed:  # a transport may hand over what it holds already, as httpx.MockTransport does
        return response.content
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise too_large(response.status_code)
    return bytes(body)
