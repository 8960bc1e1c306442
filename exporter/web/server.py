"""The web server: uvicorn on sockets of ours, in our event loop, leaving signals to us."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.web.listening import address_of

DRAIN_SECONDS = 2
"""How long answers under way may take once the server stops."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the usual scrape intervals: Prometheus then keeps its connection."""

CONNECTIONS = 512
"""Beyond so many at once, requests are answered with 503."""


class WebServer:
    """One app on listening sockets, at least one; it closes them when it stops."""

    def __init__(self, app: ASGIApp, listeners: Sequence[socket.socket]) -> None:
        self._listeners = tuple(listeners)
        self._server = _Server(
            uvicorn.Config(
                app,
                http=_Connection,  # not whichever is installed
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, each as ``address_of`` says it."""
        return tuple(address_of(listener) for listener in self._listeners)

    async def serve(self) -> None:
        """Answer requests until ``stop`` is called and what was under way has been answered."""
        await run_in_threadpool(bool)  # Starlette imports its part for asyncio at its first use: 40 ms, better now
        await self._server.serve(list(self._listeners))

    async def started(self) -> None:
        """Return once requests are answered, on every socket."""
        await self._server.has_started.wait()

    def stop(self) -> None:
        """Take no more requests."""
        self._server.should_exit = True


class _Connection(H11Protocol):
    """One connection: it may wait for its first request as long as for another one, however slowly that comes."""

    _first_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._first_due = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._first_due and self.cycle is not None:
            self._first_due.cancel()
            self._first_due = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._first_due:
            self._first_due.cancel()


class _Server(uvicorn.Server):
    """Tells when it serves, and does not touch signals: SIGHUP and a second SIGTERM mean something here."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
