"""The HTTP exchange of one account: here it is decided who speaks, httpx or ours, and every fault gets its name."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from exporter.dispatcher.direct import DirectExchange
from exporter.dispatcher.exchange import Again, Exchange, Response, at_once
from exporter.dispatcher.faults import named, named_environment
from exporter.dispatcher.stock import OpenResponse, StockExchange, Transport
from exporter.outbound import Outbound, parsed

SILENCE_LIMIT = 60.0
"""Seconds without a byte, after which a connection is taken for dead."""


class Connection:
    """The connections to one server; safe for concurrent use within one loop.

    Making one blocks for some milliseconds (TLS) and raises DispatcherError where no certificates can be read; it may
    be done in a thread. ``timeout`` (seconds) bounds each phase and the whole exchange. Redirects are never followed.
    What the environment says of proxies and certificates is honoured (``outbound``; None: it is looked at now).
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_in_flight: int,
        transport: Transport | None = None,
        silence_limit: float = SILENCE_LIMIT,
        again: Again = at_once,
        outbound: Outbound | None = None,
    ) -> None:
        base_url = base_url.rstrip("/")
        self._silence_limit = silence_limit
        self._in_flight = 0
        self._idle = asyncio.Event()
        context, proxy = None, None
        if transport is None:
            with named_environment():
                outbound = outbound or Outbound.of(os.environ)
                context, proxy = outbound.shared_tls_context(), outbound.proxy_for(base_url)
        self._stock = StockExchange(
            base_url,
            timeout=timeout,
            max_in_flight=max_in_flight,
            context=context,
            proxy=proxy,
            transport=transport,
            again=again,
        )
        self._exchange: Exchange = self._stock
        if context and not proxy and (url := _usual(base_url)):
            self._exchange = DirectExchange(
                url, timeout=timeout, max_in_flight=max_in_flight, context=context, again=again
            )

    async def post(self, path: str, *, body: bytes, headers: Mapping[str, str]) -> Response:
        """One exchange; every fault is a DispatcherError."""
        self._in_flight += 1
        try:
            return await self._exchange.post(path, body=body, headers=headers)
        except Exception as error:  # noqa: BLE001 (as in named_faults, without its price)
            raise named(error) from None
        finally:
            self._end()

    @asynccontextmanager
    async def listen(self, path: str, *, headers: Mapping[str, str]) -> AsyncIterator[OpenResponse]:
        """Open a response that goes on; every fault is a DispatcherError.

        ``timeout`` bounds the opening, the silence limit the wait for each further byte.
        """
        self._in_flight += 1
        try:
            async with self._stock.listen(path, headers=headers, silence_limit=self._silence_limit) as response:
                yield response
        finally:
            self._end()

    async def aclose(self) -> None:
        """Let what is under way end (``timeout`` bounds an exchange, the caller a stream), then close everything."""
        while self._in_flight:
            self._idle.clear()
            await self._idle.wait()
        await self._exchange.aclose()
        await self._stock.aclose()

    def _end(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()


def _usual(base_url: str) -> httpx.URL | None:
    """The URL of a server that ours can ask, or None: then httpx has to, or say what is wrong with it."""
    url = parsed(base_url)
    return url if url and url.scheme in ("http", "https") and url.host and not url.userinfo else None
