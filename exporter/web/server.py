"""The web server: uvicorn on a socket of ours, in our event loop, leaving signals to us."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

DRAIN_SECONDS = 2
"""How long answers under way may take once the server stops."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the usual scrape intervals: Prometheus then keeps its connection."""

UNREAD_SECONDS = 120
"""A connection is given up where the other end takes nothing of what was sent for so long."""

CONNECTIONS = 512
"""Beyond so many at once, requests are answered with 503."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; no host means every interface, port 0 any free one. Raises OSError."""
    if host:
        return _listening(host, port, family=_family(host, port))
    if socket.has_dualstack_ipv6():
        try:
            return _listening("", port, family=socket.AF_INET6, dualstack=True)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # IPv6 is compiled in, but switched off
                raise
    return _listening("", port, family=socket.AF_INET)


def address_of(listener: socket.socket) -> str:
    """``HOST:PORT`` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class WebServer:
    """One app on one listening socket; with ``tls`` its connections are encrypted."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, tls: ssl.SSLContext | None = None) -> None:
        self._listener = listener
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
                ssl_context_factory=(lambda _config, _default: tls) if tls else None,
            )
        )

    @property
    def address(self) -> str:
        """``HOST:PORT`` where it listens."""
        return address_of(self._listener)

    async def serve(self) -> None:
        """Answer requests until ``stop`` is called and what was under way has been answered."""
        await run_in_threadpool(bool)  # Starlette imports its part for asyncio at its first use: 40 ms, better now
        await self._server.serve([self._listener])

    async def started(self) -> None:
        """Return once requests are answered."""
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


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]


def _listening(host: str, port: int, *, family: socket.AddressFamily, dualstack: bool = False) -> socket.socket:
    listener = socket.create_server((host, port), family=family, dualstack_ipv6=dualstack, backlog=CONNECTIONS)
    # asyncio sets this only on sockets that name their protocol; without it an answer may wait 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # closed by us, it would still wait for its last bytes to be read
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    return listener
