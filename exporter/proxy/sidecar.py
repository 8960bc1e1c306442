"""The sidecar's own socket: how many clients it takes, how it reaches the upstream, and how it ends."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from exporter.clock import Clock
from exporter.metrics.families.proxy import Refused
from exporter.proxy.exchange import Watcher
from exporter.proxy.passage import Passage
from exporter.proxy.reaching import OUT_OF_SPACE, Upstream, reach

CONNECTIONS = 1000
"""So many clients at once where descriptors allow it; the next is closed at once, as by a server that is full."""

PAUSE = 0.05
"""Seconds until a client is tried to be taken again where there was no descriptor for it."""

SWEEP_SECONDS = 1.0

LEARNING_SECONDS = 3.0
"""So long the end waits at most for what was learnt to be durable: nobody else knows of it."""


class Sidecar:
    """Takes clients on a listening socket and lets their requests pass. All methods belong to the event loop.

    ``upstream_timeout`` tells seconds: for a connection to the upstream, and then for the head of its answer.
    ``clients`` tells how many there may be at once: each takes two descriptors. ``refused`` is told of each client that
    was closed for there were too many, and of each time that descriptors ran out.
    """

    def __init__(
        self,
        listener: socket.socket,
        watcher: Watcher,
        *,
        upstream_timeout: Callable[[], float],
        clock: Clock,
        refused: Callable[[Refused], None],
        clients: Callable[[], int] = lambda: CONNECTIONS,
    ) -> None:
        self._refused = refused
        self._clients = clients
        self._upstream_timeout = upstream_timeout
        self._listener = listener
        self._watcher = watcher
        self._clock = clock
        self._standing: set[Passage] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take clients from now on."""
        self._listener.listen(CONNECTIONS)
        self._listener.settimeout(0)
        self._accepting = asyncio.create_task(self._accept())

    async def run(self) -> None:
        """Give up what takes too long, for ever; raises what has ended the taking of clients, should anything."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            if self._accepting is not None and self._accepting.done():
                self._accepting.result()
            now = asyncio.get_running_loop().time()
            for passage in list(self._standing):
                passage.sweep(now)

    async def stop(self, *, deadline: float) -> int:
        """Take no more clients, let requests under way end for so many seconds, and close everything.

        What was learnt is waited for after that, however late it is. What was not durable in time is left; say how many
        tasks that are.
        """
        if self._accepting is None:
            return 0
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        self._listener.close()
        for passage in list(self._standing):
            passage.end()
        ends_at = self._clock.monotonic() + deadline
        while any(passage.is_busy for passage in self._standing) and self._clock.monotonic() < ends_at:
            await self._clock.sleep(0.05)
        for passage in list(self._standing):
            passage.abort()
        self._accepting = None
        await asyncio.sleep(0)  # now each has been told, and what it had learnt is under way
        if not self._work:
            return 0
        _, left = await asyncio.wait(self._work, timeout=LEARNING_SECONDS)
        return len(left)

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
        """Open a connection to the upstream; raises UpstreamError."""
        await reach(upstream, protocol)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let this run beside everything else."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    # ---- clients ---------------------------------------------------------------------------------------------------

    async def _accept(self) -> None:
        """One by one: asyncio's own server would take a whole crowd before it counts them, and so every descriptor."""
        loop = asyncio.get_running_loop()
        is_out_of_space = False
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # whoever is not taken yet stays in the kernel's queue, or has gone already
                was_out_of_space, is_out_of_space = is_out_of_space, error.errno in OUT_OF_SPACE
                if is_out_of_space and not was_out_of_space:
                    self._refused(Refused.DESCRIPTORS)
                await self._clock.sleep(PAUSE if is_out_of_space else 0)
                continue
            is_out_of_space = False
            if len(self._standing) >= self._clients():
                accepted.close()
                self._refused(Refused.LIMIT)
                await self._clock.sleep(0)
                continue
            with suppress(OSError):
                await loop.connect_accepted_socket(self._passage, accepted)

    def _passage(self) -> asyncio.Protocol:
        return Passage(self, self._watcher, standing=self._standing)
