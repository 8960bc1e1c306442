"""httpx as it comes: streams, proxies of the environment, and whatever else ``direct`` does not do."""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from exporter.dispatcher.answer import DispatcherError
from exporter.dispatcher.exchange import (
    KEEPALIVE,
    MAX_AGE,
    Again,
    Response,
    RetryBudget,
    at_once,
    is_too_much,
    standing_headers,
    too_large,
)
from exporter.dispatcher.faults import named_faults
from exporter.dispatcher.payload import BODY_LIMIT
from exporter.outbound import ProxyTrace

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
    """An ``Exchange`` by httpx, and the one way to listen.

    httpx gives no age to its connections, and cannot be told to open a new one. So its whole client is replaced, after
    ``MAX_AGE`` and where a kept connection was closed in the moment in which it was used: then the request is sent once
    more, as ``RetryBudget`` has it. The connections of a transport that stands in for the network are its own business.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_in_flight: int,
        context: ssl.SSLContext | None,
        proxy: httpx.Proxy | None = None,
        transport: Transport | None,
        again: Again = at_once,
    ) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._retries = RetryBudget(again)
        self._is_ours = transport is None
        self._new_client = partial(
            _http, timeout=timeout, max_in_flight=max_in_flight, context=context, proxy=proxy, transport=transport
        )
        self._latest = _Client(self._new_client())

    async def post(self, path: str, *, body: bytes, headers: Mapping[str, str]) -> Response:
        async with asyncio.timeout(self._timeout), AsyncExitStack() as opened:
            response = await self._sent(opened, "POST", path, content=body, headers=headers)
            return await _received(response)

    @asynccontextmanager
    async def listen(
        self, path: str, *, headers: Mapping[str, str], silence_limit: float
    ) -> AsyncIterator[OpenResponse]:
        """Open a response that goes on; every fault is a DispatcherError, what is raised beside it is left as it is."""
        limits = httpx.Timeout(self._timeout, read=silence_limit)
        async with AsyncExitStack() as opened:
            with named_faults():
                async with asyncio.timeout(self._timeout):
                    response = await self._sent(opened, "GET", path, headers=headers, timeout=limits)
            yield OpenResponse(response.status_code, response.headers, response, self._timeout)

    async def aclose(self) -> None:
        await self._latest.http.aclose()

    # ---- one response ----------------------------------------------------------------------------------------------

    async def _sent(self, opened: AsyncExitStack, method: str, path: str, **request: Any) -> httpx.Response:
        """The response to a request, open; what it needs is closed with ``opened``."""
        deadline, told = asyncio.get_running_loop().time() + self._timeout, _Told()
        request |= {"url": self._base_url + path, "extensions": {"trace": told}}
        client = await opened.enter_async_context(self._client())
        try:
            return await self._sent_over(client, opened, method, request)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            if not (self._is_ours and told.was_kept and _is_unanswered(error)):
                raise
            if not await self._retries.allows(deadline - asyncio.get_running_loop().time()):
                raise
        client.is_done = True
        client = await opened.enter_async_context(self._client())
        return await self._sent_over(client, opened, method, request)

    async def _sent_over(
        self, client: "_Client", opened: AsyncExitStack, method: str, request: Mapping[str, Any]
    ) -> httpx.Response:
        response = await client.http.send(client.http.build_request(method, **request), stream=True)
        opened.push_async_callback(_close, response)
        self._retries.answers += 1
        return response

    # ---- clients ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _client(self) -> AsyncIterator["_Client"]:
        """The latest client; one that has been replaced is closed by whoever uses it last."""
        now = asyncio.get_running_loop().time()
        client = self._latest
        is_trusted = self._retries.is_earned or client.first_used_at == math.inf
        client.is_done = client.is_done or (self._is_ours and (now - client.first_used_at > MAX_AGE or not is_trusted))
        if client.is_done:
            self._latest = _Client(self._new_client())
            await client.close_if_unused()
            client = self._latest
        client.first_used_at = min(client.first_used_at, now)
        client.users += 1
        try:
            yield client
        finally:
            client.users -= 1
            await client.close_if_unused()


@dataclass(slots=True, eq=False)
class _Client:
    """httpx's client with its connections. ``first_used_at`` is a time of the loop."""

    http: httpx.AsyncClient
    first_used_at: float = math.inf
    users: int = 0
    is_done: bool = False

    async def close_if_unused(self) -> None:
        if self.is_done and not self.users:
            await self.http.aclose()


class _Told(ProxyTrace):
    """What httpx tells of a request: it was sent over a kept connection unless one was opened for it."""

    was_kept: bool = True

    async def __call__(self, event: str, about: Mapping[str, Any]) -> None:
        if "connect_tcp" in event:
            self.was_kept = False
        await super().__call__(event, about)


def _is_unanswered(error: httpx.TransportError) -> bool:
    """Whether the connection ended before an answer. That a part of its head had come is not told apart."""
    return not isinstance(error, httpx.RemoteProtocolError) or "without sending a response" in str(error)


async def _close(response: httpx.Response) -> None:
    with suppress(httpx.HTTPError):
        await response.aclose()


def _http(
    *,
    timeout: float,
    max_in_flight: int,
    context: ssl.SSLContext | None,
    proxy: httpx.Proxy | None,
    transport: Transport | None,
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
        proxy=proxy,
        transport=transport,
        trust_env=False,  # what the environment says is read by ``Outbound``
    )


async def _received(response: httpx.Response) -> Response:
    encoding = response.headers.get("Content-Encoding", "")
    return Response(response.status_code, response.headers, await _body(response), encoding)


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
