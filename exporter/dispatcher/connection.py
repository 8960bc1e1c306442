"""The HTTP exchange of one account: here it is decided who speaks, httpx or ours, and every fault gets its name."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.request import getproxies

import httpx

from exporter.dispatcher.direct import DirectExchange
from exporter.dispatcher.exchange import Again, Exchange, Response, at_once
from exporter.dispatcher.faults import named, named_environment
from exporter.dispatcher.stock import OpenResponse, StockExchange, Transport

SILENCE_LIMIT = 60.0
"""Seconds without a byte, after which a connection is taken for dead."""


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
        again: Again = at_once,
    ) -> None:
        base_url = base_url.rstrip("/")
        self._silence_limit = silence_limit
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        with named_environment():
            context = httpx.create_ssl_context() if transport is None else None
            self._stock = StockExchange(
                base_url, timeout=timeout, max_in_flight=max_in_flight, context=context, transport=transport
            )
        self._exchange: Exchange = self._stock
        if context is not None and (url := _plain_address(base_url)) is not None:
            self._exchange = DirectExchange(
                url, timeout=timeout, max_in_flight=max_in_flight, context=context, again=again
            )

    async def post(self, path: str, *, body: bytes, headers: Mapping[str, str]) -> Response:
        """One exchange; every fault is a DispatcherError."""
        self._begin()
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
        self._begin()
        try:
            async with self._stock.listen(path, headers=headers, silence_limit=self._silence_limit) as response:
                yield response
        finally:
            self._end()

    async def aclose(self) -> None:
        """Let what is under way end (``timeout`` bounds an exchange, the caller a stream), then close everything."""
        await self._idle.wait()
        await self._exchange.aclose()
        await self._stock.aclose()

    def _begin(self) -> None:
        if not self._in_flight:
            self._idle.clear()
        self._in_flight += 1

    def _end(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()


def _plain_address(base_url: str) -> httpx.URL | None:
    """The URL of a server that is asked with nothing in between and nothing unusual, or None: then httpx has to."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        return None
    usual = url.scheme in ("http", "https") and url.host and not url.userinfo
    return url if usual and not _may_be_proxied(url) else None


def _may_be_proxied(url: httpx.URL) -> bool:
    """Whether the environment names a proxy for such URLs. Which hosts it exempts is for httpx alone to say."""
    proxies = getproxies()
    if "*" in [host.strip() for host in proxies.get("no", "").split(",")]:
        return False
    return bool(proxies.get(url.scheme) or proxies.get("all"))
