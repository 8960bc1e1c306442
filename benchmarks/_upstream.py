"""An upstream that costs as little as it can: a process of its own that answers each request at once."""

import asyncio
import multiprocessing
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

RECORD = b'{"task_id":"task_0","status":"running","estimated_credits":1.50,"estimated_seconds":35}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nX-Quota-Remaining-Credits: 192.40\r\n"
ANSWER = HEAD + b"content-length: %d\r\n\r\n" % len(RECORD) + RECORD

Answer = Callable[[bytes], bytes]
"""From a whole request to the whole answer; a function of a module, for it goes to another process."""


def one_record(_request: bytes) -> bytes:
    """The same record, whatever was asked for."""
    return ANSWER


def running(request: bytes) -> bytes:
    """The task that was asked about runs."""
    task_id = request.rsplit(b'"', 2)[1]
    record = b'{"task_id":"%b","status":"running","estimated_credits":1.50,"estimated_seconds":35}' % task_id
    return HEAD + b"content-length: %d\r\n\r\n" % len(record) + record


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


async def _serve(ready: Connection, answer: Answer, certificate: tuple[Path, Path] | None) -> None:
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    server = await asyncio.get_running_loop().create_server(lambda: _Answering(answer), "127.0.0.1", 0, ssl=context)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _process(ready: Connection, answer: Answer, certificate: tuple[Path, Path] | None) -> None:
    asyncio.run(_serve(ready, answer, certificate))


@contextmanager
def upstream(answer: Answer = one_record, *, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Its base URL, while it runs; with a certificate of ``localhost`` (and its key) it speaks TLS."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_process, args=(its, answer, certificate), daemon=True
    )
    process.start()
    try:
        yield f"{'https://localhost' if certificate else 'http://127.0.0.1'}:{ours.recv()}"
    finally:
        process.kill()
        process.join()
