"""An upstream that costs as little as it can: a process of its own that answers each request at once."""

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

RECORD = b'{"task_id":"task_0","status":"running","estimated_credits":1.50,"estimated_seconds":35}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nX-Quota-Remaining-Credits: 192.40\r\n"
ANSWER = HEAD + b"content-length: %d\r\n\r\n" % len(RECORD) + RECORD

Answer = Callable[[bytes], bytes]
"""From a whole request to the whole answer; a function of a module, for it goes to another process."""


def one_record(_request: bytes) -> bytes:
    """The same record, whatever was asked for."""
    return ANSWER


class _Answering(asyncio.Protocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._seen.endswith(b"}"):  # the body has come whole: it is one JSON object
            request, self._seen = self._seen, b""
            self._transport.write(self._answer(request))


async def _serve(ready: Connection, answer: Answer) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Answering(answer), "127.0.0.1", 0)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _process(ready: Connection, answer: Answer) -> None:
    asyncio.run(_serve(ready, answer))


@contextmanager
def upstream(answer: Answer = one_record) -> Iterator[str]:
    """Its base URL, while it runs."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_process, args=(its, answer), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()
