"""An upstream that costs as little as it can: a process of its own that answers every request with one record."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

RECORD = b'{"task_id":"task_0","status":"running","estimated_credits":1.50,"estimated_seconds":35}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nX-Quota-Remaining-Credits: 192.40\r\n"
ANSWER = HEAD + b"content-length: %d\r\n\r\n" % len(RECORD) + RECORD


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._seen.endswith(b"}"):  # the body has come whole: it is one JSON object
            self._seen = b""
            self._transport.write(ANSWER)


async def _serve(ready: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _process(ready: Connection) -> None:
    asyncio.run(_serve(ready))


@contextmanager
def upstream() -> Iterator[str]:
    """Its base URL, while it runs."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_process, args=(its,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()
