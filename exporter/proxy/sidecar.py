"""The sidecar's own socket: how many clients it takes, how it reaches the upstream, and how it ends."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from exporter.clock import Clock
from exporter.proxy.exchange import Upstream, Watcher
from exporter.proxy.passage import Passage

CONNECTIONS = 1000
"""So many clients at once; the next is closed at once, as by a server that is full."""

SWEEP_SECONDS = 1.0

# As RFC 8305 has it: so long one address may keep a connection waiting before the next is tried beside it.
_HAPPY_EYEBALLS = 0.25


class Sidecar:
    """Takes clients on a listening socket and lets their requests pass. All methods belong to the event loop.

    ``upstream_timeout`` tells seconds: for a connection to the upstream, and then for the head of its answer.
    """

    def __init__(
        self, listener: socket.socket, watcher: Watcher, *, upstream_timeout: Callable[[], float], clock: Clock
    ) -> None:
        self._upstream_timeout = upstream_timeout
        self._listener = listener
        self._watcher = watcher
        self._clock = clock
        self._standing: set[Passage] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Take clients from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._passage, sock=self._listener, backlog=CONNECTIONS)

    async def run(self) -> None:
        """Give up what takes too long, for ever."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for passage in list(self._standing):
                passage.sweep(now)

    async def stop(self, *, deadline: float) -> None:
        """Take no more clients, let requests under way end for so many seconds, and close everything."""
        if self._server is None:
            return
        self._server.close()
        for passage in list(self._standing):
            passage.end()
        ends_at = self._clock.monotonic() + deadline
        while any(passage.is_busy for passage in self._standing) and self._clock.monotonic() < ends_at:
            await self._clock.sleep(0.05)
        for passage in list(self._standing):
            passage.abort()
        if self._work:
            await asyncio.wait(self._work, timeout=max(0.0, ends_at - self._clock.monotonic()))
        self._server = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it listens."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    # ---- what passages need ----------------------------------------------------------------------------------------

    @property
    def upstream_timeout(self) -> float:
        return self._upstream_timeout()

    async def connect(self, upstream: Upstream, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Open a connection to the upstream; raises OSError."""
        try:
            await asyncio.get_running_loop().create_connection(
                protocol,
                upstream.host,
                upstream.port,
                ssl=upstream.tls,
                server_hostname=upstream.host if upstream.tls else None,
                happy_eyeballs_delay=_HAPPY_EYEBALLS,
            )
        except UnicodeError as error:  # a name that no resolver takes
            raise OSError("not a host name") from error

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let this run beside everything else."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _passage(self) -> asyncio.Protocol:
        if len(self._standing) >= CONNECTIONS:
            return _Full()
        return Passage(self, self._watcher, standing=self._standing)


class _Full(asyncio.Protocol):
    """A client too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
