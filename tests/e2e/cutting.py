"""A way to the upstream on which connections break: in the middle of heads, of bodies, of streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random


@asynccontextmanager
async def cutting(port: int, *, random: Random, share: float, most: int = 600) -> AsyncIterator[str]:
    """The URL of a relay to a port here. Of that share of connections, no more than so many answered bytes pass."""
    under_way: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.ensure_future(_pour(reader, back, None))
        try:
            await _pour(there, writer, random.randrange(most) if random.random() < share else None)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            for end in (writer, back):
                end.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(relay(reader, writer))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        tasks = list(under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None) -> None:
    """Until one of them ends, or so many bytes have passed."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data if left is None else data[:left])
            await writer.drain()
            if left is not None and (left := left - len(data)) <= 0:
                return
    except ConnectionError:
        return
