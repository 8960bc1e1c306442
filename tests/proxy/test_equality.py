"""The same dialogues with a server direct and through the sidecar, over raw sockets: each side hears the same bytes.

What docs/sidecar.md says of heads is excepted, and nothing else.
"""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from exporter.proxy.reaching import Upstream
from tests.proxy.test_passage import sidecar_before

SECONDS = 30.0
"""A side that has not heard by then what the other said does not hear it at all."""

DOCUMENTED = re.compile(
    rb"^(?:Via: 1\.1 bytespike-exporter|(?:Host|Connection|Keep-Alive|Proxy-Connection|TE): [^\r\n]*)\r\n",
    re.IGNORECASE | re.MULTILINE,
)

MIB = bytes(range(256)) * 4096


@dataclass(frozen=True, slots=True)
class Client:
    """What the client says next."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says next; ``ends``: and then it hangs up."""

    data: bytes
    ends: bool = False


Step = Client | Server

GET = Client(b"GET /v1/models HTTP/1.1\r\nHost: h\r\nx-api-key: sk\r\n\r\n")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"

DIALOGUES: dict[str, Sequence[Step]] = {
    "lengths": (
        Client(b"POST /v1/tasks/query?a=%20&b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
        Server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ),
    "chunks, extensions and trailers both ways": (
        Client(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\r\n"),
        Client(b"5;a=b\r\nhel"),
        Client(b"lo\r\n0a\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"),
        Server(CHUNKED + b"3\r\nabc\r\n"),
        Server(b'1;x="y"\r\nd\r\n000\r\nX-Sum: 2\r\nX-More: 3\r\n\r\n'),
    ),
    "leave is asked and given": (
        Client(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
        Server(b"HTTP/1.1 100 Continue\r\n\r\n"),
        Client(b"hello"),
        Server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ),
    "leave is asked and refused": (
        Client(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
        Server(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", ends=True),
    ),
    "hints before the answer": (
        GET,
        Server(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        Server(b"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!"),
    ),
    "the older protocol": (
        Client(b"GET / HTTP/1.0\r\n\r\n"),
        Server(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall of it", ends=True),
    ),
    "an answer up to the end of its connection": (
        GET,
        Server(b"HTTP/1.1 200 OK\r\n\r\nsome"),
        Server(b" and all of it", ends=True),
    ),
    "no body after HEAD": (
        Client(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"),
        Server(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        GET,
        Server(b'HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: "a"\r\n\r\n'),
        GET,
        Server(b"HTTP/1.1 204 No Content\r\n\r\n"),
    ),
    "a mebibyte each way": (
        Client(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(MIB)),
        Client(MIB),
        Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(MIB)),
        Server(MIB),
    ),
    "a mebibyte in chunks each way": (
        Client(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Client(b"100000\r\n" + MIB + b"\r\n0\r\n\r\n"),
        Server(CHUNKED + b"100000\r\n" + MIB + b"\r\n0\r\nX-Sum: 1\r\n\r\n"),
    ),
    "bytes that are no text": (
        GET,
        Server(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(MIB))),
        Server(gzip.compress(MIB)),
    ),
    "names, values and words as they were spelled": (
        Client(
            b"PROPFIND /v1//tasks/../%2e%2E?q=%00&& HTTP/1.1\r\nHost: h\r\nx-EMPTY:\r\nx-EMPTY: \xfc\xe9 \t.\r\n\r\n"
        ),
        Server(b"HTTP/1.1 299 \xfcber\r\nSet-Cookie: a\r\nset-cookie: b\r\nX_Y~: ,,\r\nContent-Length: 0\r\n\r\n"),
        GET,
        Server(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
    ),
    "a refusal in the API's form": (
        Client(b"POST /v1/tasks/submit HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer sk\r\nContent-Length: 2\r\n\r\n{}"),
        Server(
            b'HTTP/1.1 402 Payment Required\r\nContent-Length: 42\r\n\r\n{"error":{"code":"insufficient_balance"}}\n'
        ),
    ),
    "events, piece by piece": (
        Client(b"GET /v1/tasks/stream/task_1 HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n"),
        Server(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Server(b"7\r\ndata: a\r\n"),
        Server(b"2\r\n\n\n\r\n"),
        Server(b"3\r\n:\n\n\r\n0\r\n\r\n"),
    ),
    "cut within a body": (GET, Server(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", ends=True)),
    "cut within a chunk": (GET, Server(CHUNKED + b"5\r\nhel", ends=True)),
    "cut within trailers": (GET, Server(CHUNKED + b"1\r\nh\r\n0\r\nX-Su", ends=True)),
    "cut within a head": (GET, Server(b"HTTP/1.1 200 OK\r\nContent-", ends=True)),
    "cut before a word": (GET, Server(b"", ends=True)),
    "chunks that are none": (GET, Server(CHUNKED + b"zz\r\nhello", ends=True)),
    "no HTTP": (GET, Server(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ends=True)),
    "two lengths": (
        GET,
        Server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", ends=True),
    ),
}


@dataclass(slots=True)
class Ear:
    """One end of a connection: what it has heard, and whether that is all."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: bytearray = field(default_factory=bytearray)
    is_over: bool = False
    expected: bytes = b""

    async def hear(self, data: bytes) -> None:
        """Listen until this has come, however it looks in between: its end tells, and how much of it is a body."""
        self.expected += data
        wanted = plain(self.expected)
        async with asyncio.timeout(SECONDS):
            while not self.is_over and len(plain(bytes(self.heard))) < len(wanted):
                await self._listen()

    async def hear_out(self) -> None:
        """Listen to the end of the connection."""
        async with asyncio.timeout(SECONDS):
            while not self.is_over:
                await self._listen()

    async def _listen(self) -> None:
        try:
            piece = await self.reader.read(1 << 16)
        except ConnectionError:
            piece = b""
        self.heard += piece
        self.is_over = not piece

    @property
    def said(self) -> tuple[bytes, bool]:
        return plain(bytes(self.heard)), self.is_over


def plain(said: bytes) -> bytes:
    """Without the fields that may differ, and the space before an empty value."""
    return DOCUMENTED.sub(b"", said).replace(b": \r\n", b":\r\n")


@asynccontextmanager
async def server() -> AsyncIterator[tuple[int, "asyncio.Queue[Ear]"]]:
    """A port, and the connections that come to it."""
    came: asyncio.Queue[Ear] = asyncio.Queue()
    listening = await asyncio.start_server(lambda *both: came.put_nowait(Ear(*both)), "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], came


async def held(dialogue: Sequence[Step], port: int, came: "asyncio.Queue[Ear]") -> list[tuple[bytes, bool]]:
    """What the server and the client heard of a dialogue, and whether their connections have ended."""
    client, other = Ear(*await asyncio.open_connection("127.0.0.1", port)), None
    try:
        for step in dialogue:
            if isinstance(step, Client):
                client.writer.write(step.data)
                async with asyncio.timeout(SECONDS):
                    other = other or await came.get()
                await other.hear(step.data)
            elif other is not None:
                other.writer.write(step.data)
                if step.ends:
                    other.writer.close()
                    await client.hear_out()
                else:
                    await client.hear(step.data)
        assert other is not None
        return [other.said, client.said]
    finally:
        for ear in filter(None, (client, other)):
            ear.writer.transport.abort()
        await asyncio.sleep(0)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIALOGUES)
async def test_each_side_hears_the_same(name: str) -> None:
    dialogue = DIALOGUES[name]
    async with server() as (port, came), sidecar_before(b"") as rig:
        rig.seen.upstream = Upstream("127.0.0.1", port, None, b"llm.bytespike.ai")
        direct = await held(dialogue, port, came)
        through = await held(dialogue, rig.port, came)
    assert through == direct
    assert direct[0][0] == plain(b"".join(step.data for step in dialogue if isinstance(step, Client)))
    assert direct[1][0] == plain(b"".join(step.data for step in dialogue if isinstance(step, Server)))


async def test_a_client_that_breaks_a_stream_off_breaks_it_off_for_the_server() -> None:
    async with server() as (port, came), sidecar_before(b"") as rig:
        rig.seen.upstream = Upstream("127.0.0.1", port, None, b"h")
        for to in (port, rig.port):
            client = Ear(*await asyncio.open_connection("127.0.0.1", to))
            client.writer.write(GET.data)
            async with asyncio.timeout(SECONDS):
                other = await came.get()
            await other.hear(GET.data)
            other.writer.write(CHUNKED + b"5\r\nhello\r\n")
            await client.hear(CHUNKED + b"5\r\nhello\r\n")
            client.writer.transport.abort()
            await other.hear_out()
            assert plain(bytes(other.heard)) == plain(GET.data)
            other.writer.close()
