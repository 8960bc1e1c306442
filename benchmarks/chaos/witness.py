"""Proxies before the simulator, one for each replica: they see who asked for which account, from when to when.

A request begins before the simulator has it, and has ended before its sender has the answer: so two that overlap here
have overlapped.
"""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Self

CHUNK = 65_536
START_SECONDS = 20.0


@dataclass(slots=True)
class Asked:
    """One request; times are ``time.monotonic``."""

    account: str
    replica: int
    begun: float
    ended: float
    is_answered: bool = False


class Passage:
    """One connection, on which one request follows the other's answer."""

    def __init__(self, replica: int, accounts: Mapping[bytes, str], seen: list[Asked]) -> None:
        self._replica = replica
        self._accounts = accounts
        self._seen = seen
        self._last: Asked | None = None

    def asks(self, data: bytes) -> None:
        """The client has sent something: the next request, or more of the last one."""
        now = time.monotonic()
        if self._last is None or self._last.is_answered:
            account = next((name for key, name in self._accounts.items() if key in data), "")
            self._last = Asked(account, self._replica, begun=now, ended=now)
            self._seen.append(self._last)

    def is_told(self) -> None:
        """The simulator has sent something of the answer."""
        if self._last is not None:
            self._last.is_answered, self._last.ended = True, time.monotonic()

    def is_over(self) -> None:
        """Whoever asked waits no more."""
        if self._last is not None and not self._last.is_answered:
            self._last.is_answered, self._last.ended = True, time.monotonic()


class Witness:
    """The proxies, in a thread of their own; ``urls`` is where each replica asks, ``seen`` every request."""

    def __init__(self, upstream: str, *, replicas: int, accounts: Mapping[str, str]) -> None:
        """``accounts`` are names by their keys."""
        host, _, port = upstream.removeprefix("http://").partition(":")
        self._upstream = (host, int(port))
        self._accounts = {key.encode(): name for key, name in accounts.items()}
        self._replicas = replicas
        self.seen: list[Asked] = []
        self.urls: Sequence[str] = ()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._listening = Future[Sequence[str]]()
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self.urls = self._listening.result(START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join(START_SECONDS)

    async def _run(self) -> None:
        self._loop, self._is_over = asyncio.get_running_loop(), asyncio.Event()
        try:
            self._listening.set_result([await self._before(number) for number in range(self._replicas)])
        except OSError as error:
            self._listening.set_exception(error)
            return
        await self._is_over.wait()
        for server in self._servers:
            server.close()

    async def _before(self, replica: int) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with closing(writer):
                await self._pass(Passage(replica, self._accounts, self.seen), reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _pass(self, passage: Passage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def there() -> None:
            with suppress(OSError):
                while data := await reader.read(CHUNK):
                    passage.asks(data)
                    upstream_writer.write(data)

        async def back() -> None:
            with suppress(OSError):
                while data := await upstream_reader.read(CHUNK):
                    passage.is_told()
                    writer.write(data)

        with suppress(OSError):
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
            with closing(upstream_writer):
                ways = {asyncio.create_task(there()), asyncio.create_task(back())}
                _, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                passage.is_over()
                for way in pending:
                    way.cancel()
