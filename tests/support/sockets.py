"""A web server in this process, and clients of it that send the very bytes a test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from exporter.web.listening import listen
from exporter.web.server import WebServer

PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers, and where."""

    server: WebServer
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which something was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        return reader, writer

    async def told(self, sent: bytes) -> bytes:
        """Everything that is answered on a connection of its own until the server closes it."""
        reader, writer = await self.connect(sent)
        try:
            return await rest(reader)
        finally:
            writer.close()


@asynccontextmanager
async def serving(app: ASGIApp, **options: Any) -> AsyncIterator[Serving]:
    """A server of this app on a port of its own."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = WebServer(app, [listener], **options)
    running = asyncio.create_task(server.serve())
    await server.started()
    try:
        yield Serving(server, port)
    finally:
        server.stop()
        await running


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other end closes; a reset ends it, too."""
    found = b""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                piece = await reader.read(1 << 16)
            except ConnectionError:
                return found
            if not piece:
                return found
            found += piece


async def until(look: Callable[[], object]) -> None:
    """Wait, in real time, until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not look():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)
