"""Random bytes and cuts on both sides, over real sockets: no fault, no hang, nothing left open, no byte changed."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.proxy.reaching import Upstream
from exporter.proxy.sidecar import Sidecar
from tests.proxy.test_passage import VIA, Seen, sidecar_before

END_SECONDS = 5.0

chunk = st.binary(min_size=1, max_size=40).map(lambda data: b"%x\r\n%b\r\n" % (len(data), data))
chunked = st.lists(chunk, max_size=5).map(lambda chunks: b"".join([*chunks, b"0\r\n\r\n"]))


@dataclass(frozen=True)
class Message:
    """Framing fields and the body that they describe."""

    fields: bytes
    body: bytes


bodies = st.one_of(
    st.binary(max_size=200).map(lambda body: Message(b"Content-Length: %d\r\n" % len(body), body)),
    chunked.map(lambda body: Message(b"Transfer-Encoding: chunked\r\n", body)),
)
cuts = st.lists(st.integers(1, 60), max_size=8)
broken = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK\r\n",
                b"POST /v1/tasks/submit HTTP/1.1\r\n",
                b"HTTP/1.1 100 Continue\r\n\r\n",
                b"GET / HTTP/1.0\r\n",
                b"Content-Length: 5\r\n",
                b"Content-Length: 99999999999999999999\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Expect: 100-continue\r\n",
                b"Connection: close\r\n",
                b"\r\n",
                b"hello",
                b"5\r\nhello\r\n",
                b"0\r\n\r\n",
                b"\n",
                b"\0",
            ]
        ),
        max_size=12,
    ).map(b"".join),
)


def pieces(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The data, cut."""
    cut = []
    for size in sizes:
        cut.append(data[:size])
        data = data[size:]
    return [piece for piece in [*cut, data] if piece]


class Scripted(asyncio.Protocol):
    """An upstream that says its pieces once something came, then waits, closes or resets."""

    def __init__(self, script: Sequence[bytes], end: str, heard: bytearray) -> None:
        self._script = script
        self._end = end
        self._heard = heard
        self._saying: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self._saying is None:
            self._saying = asyncio.create_task(self._say())

    async def _say(self) -> None:
        for piece in self._script:
            self._transport.write(piece)
            await asyncio.sleep(0)
        if self._end == "close":
            self._transport.close()
        elif self._end == "reset":
            self._transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._saying:
            self._saying.cancel()


async def spoken(asked: Sequence[bytes], script: Sequence[bytes], *, end: str, leaves: str) -> tuple[bytes, bytes]:
    """What the client heard and what the upstream heard; fails on a fault in a callback, or where something stays."""
    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: faults.append(context))
    heard = bytearray()
    server = await loop.create_server(lambda: Scripted(script, end, heard), "127.0.0.1", 0)
    async with server, sidecar_before(b"") as rig:
        rig.seen.upstream = Upstream("127.0.0.1", server.sockets[0].getsockname()[1], None, b"h")
        reader, writer = await rig.connect()
        got = b""
        with contextlib.suppress(ConnectionError):
            for piece in asked:
                writer.write(piece)
                await asyncio.sleep(0)
            got = await _all_of(reader, 0.03 if leaves == "reset" else 0.25, until_end=leaves == "waits")
        writer.transport.abort() if leaves == "reset" else writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await _until_empty(rig.sidecar)
        assert _is_reported(rig.seen)
    assert not faults, faults
    return got, bytes(heard)


async def _all_of(reader: asyncio.StreamReader, quiet: float, *, until_end: bool) -> bytes:
    got = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while piece := await asyncio.wait_for(reader.read(1 << 16), END_SECONDS if until_end else quiet):
            got += piece
    return got


async def _until_empty(sidecar: Sidecar) -> None:
    async with asyncio.timeout(END_SECONDS):
        while sidecar._standing or sidecar._work:  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)


def _is_reported(seen: Seen) -> bool:
    """Each exchange once."""
    return len(seen.exchanges) == len({id(exchange) for exchange in seen.exchanges}) == seen.routed


few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(bodies, bodies, cuts, cuts)
def test_what_is_well_formed_passes_equal(request: Message, answer: Message, first: list[int], then: list[int]) -> None:
    asked = b"POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + request.fields + b"\r\n" + request.body
    told = b"HTTP/1.1 200 OK\r\n" + answer.fields + b"\r\n" + answer.body

    got, heard = asyncio.run(spoken(pieces(asked, first), pieces(told, then), end="waits", leaves="waits"))

    assert got == b"HTTP/1.1 200 OK\r\n" + answer.fields + VIA + b"Connection: close\r\n\r\n" + answer.body
    head = b"POST /x HTTP/1.1\r\nHost: h\r\n" + request.fields + b"Connection: close\r\n" + VIA + b"\r\n"
    assert (head + request.body).startswith(heard)
    assert heard.startswith(head)


@pytest.mark.slow
@few
@given(broken, broken, cuts, cuts, st.sampled_from(["waits", "close", "reset"]), st.sampled_from(["quiet", "reset"]))
def test_whatever_is_said_all_ends(
    asked: bytes, told: bytes, first: list[int], then: list[int], end: str, leaves: str
) -> None:
    asyncio.run(spoken(pieces(asked, first), pieces(told, then), end=end, leaves=leaves))


@pytest.mark.slow
@few
@given(bodies, broken, cuts, cuts, st.sampled_from(["waits", "close", "reset"]), st.sampled_from(["quiet", "reset"]))
def test_whatever_answers_a_good_request_all_ends(
    request: Message, told: bytes, first: list[int], then: list[int], end: str, leaves: str
) -> None:
    asked = b"POST /v1/tasks/submit HTTP/1.1\r\nHost: h\r\n" + request.fields + b"\r\n" + request.body
    asyncio.run(spoken(pieces(asked, first), pieces(told, then), end=end, leaves=leaves))
