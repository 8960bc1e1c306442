"""What passes between a client and an upstream, over real sockets: the bytes, the faults, the ends of connections."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from exporter.clock import SystemClock
from exporter.metrics.families.proxy import Refused, UpstreamFault
from exporter.proxy import passage, sidecar
from exporter.proxy.answering import HOLD_LIMIT
from exporter.proxy.exchange import Copy, Exchange, Room, Route
from exporter.proxy.head import HEAD_LIMIT, RequestHead
from exporter.proxy.reaching import Upstream
from exporter.proxy.sidecar import Sidecar
from tests.support.certificates import Certificate
from tests.support.raw_server import Handler, raw_server, read_request

VIA = b"Via: 1.1 bytespike-exporter\r\n"
GET = b"GET /v1/models HTTP/1.1\r\nHost: sidecar\r\n\r\n"
POST = b"POST /v1/tasks/query HTTP/1.1\r\nHost: sidecar\r\nContent-Length: 5\r\n\r\nhello"
PATIENCE = 20.0
"""Seconds; whatever a test waits for comes sooner."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PASSED_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + VIA + b"\r\nok"


@dataclass
class Seen:
    """A watcher that copies everything and may hold answers."""

    upstream: Upstream
    holds: Coroutine[Any, Any, None] | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    routed: int = 0

    def route(self, head: RequestHead) -> Route:
        self.routed += 1
        return Route(self.upstream, Copy(Room()), Copy(Room()), is_held=self.holds is not None)

    def passed(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        self.exchanges.append(exchange)
        return self.holds

    @property
    def faults(self) -> list[UpstreamFault]:
        return [exchange.fault for exchange in self.exchanges if exchange.fault is not None]

    def copies(self) -> list[tuple[bytes, bytes]]:
        found = []
        for exchange in self.exchanges:
            asked, told = exchange.route.asked, exchange.route.told
            assert isinstance(asked, Copy)
            assert isinstance(told, Copy)
            found.append((asked.content, told.content))
        return found


@dataclass
class Rig:
    sidecar: Sidecar
    seen: Seen
    port: int
    asked: list[bytes]
    refused: list[Refused]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, *pieces: bytes) -> bytes:
        """Say this on a connection of its own, and return all that comes until it ends, or nothing more comes."""
        reader, writer = await self.connect()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            return await until_quiet(reader)
        finally:
            writer.close()


async def until_quiet(reader: asyncio.StreamReader) -> bytes:
    got = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        # what comes first may come late on a busy machine
        while piece := await asyncio.wait_for(reader.read(1 << 16), 0.5 if got else PATIENCE):
            got += piece
    return got


@asynccontextmanager
async def sidecar_before(
    answer: bytes | Handler, *, holds: Coroutine[Any, Any, None] | None = None, upstream_timeout: float = PATIENCE
) -> AsyncIterator[Rig]:
    async with raw_server(answer) as server:
        seen = Seen(Upstream("127.0.0.1", server.port, None, b"llm.bytespike.ai"), holds)
        listener = socket.create_server(("127.0.0.1", 0))
        refused: list[Refused] = []
        running = Sidecar(
            listener, seen, upstream_timeout=lambda: upstream_timeout, clock=SystemClock(), refused=refused.append
        )
        running.start()
        sweeping = asyncio.create_task(running.run())
        try:
            yield Rig(running, seen, listener.getsockname()[1], server.requests, refused)
        finally:
            sweeping.cancel()
            await running.stop(deadline=0.5)


async def answer_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An upstream that keeps its connections."""
    writer.write(OK)
    while True:
        await read_request(reader)
        writer.write(OK)


class TestBytes:
    async def test_a_request_and_its_answer_pass(self) -> None:
        async with sidecar_before(answer_each) as rig:
            assert await rig.say(POST) == PASSED_OK
            assert rig.asked == [
                b"POST /v1/tasks/query HTTP/1.1\r\nHost: llm.bytespike.ai\r\nContent-Length: 5\r\n" + VIA + b"\r\nhello"
            ]
            assert rig.seen.copies() == [(b"hello", b"ok")]

    async def test_one_connection_serves_many_requests_said_at_once(self) -> None:
        async with sidecar_before(answer_each) as rig:
            assert await rig.say(POST + GET + b"\r\n" + POST) == PASSED_OK * 3
            assert [exchange.code for exchange in rig.seen.exchanges] == [200] * 3
            assert len(rig.asked) == 1  # one connection, whose first request is noted

    async def test_a_body_in_pieces_passes_as_it_comes(self) -> None:
        async with sidecar_before(answer_each) as rig:
            head, body = POST[:-5], POST[-5:]
            assert await rig.say(head[:20], head[20:], body[:2], body[2:]) == PASSED_OK

    async def test_chunks_and_trailers_pass_as_they_are(self) -> None:
        chunked = b"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            body = await reader.readuntil(b"X-Sum: 1\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            await asyncio.sleep(10)

        async with sidecar_before(echo) as rig:
            got = await rig.say(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", chunked)
            assert got == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + VIA + b"\r\n" + chunked
            assert rig.seen.copies() == [(b"hello", b"hello")]

    async def test_a_client_that_asks_first_is_told_to_go_on_by_the_upstream(self) -> None:
        async def wait_and_see(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert await reader.readexactly(5) == b"hello"
            writer.write(OK)
            await asyncio.sleep(10)

        expecting = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with sidecar_before(wait_and_see) as rig:
            reader, writer = await rig.connect()
            writer.write(expecting)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n" + VIA + b"\r\n"
            writer.write(b"hello"[:0] + b"5\r\nhello\r\n0\r\n\r\n")
            writer.close()

    async def test_an_answer_that_ends_with_its_connection_ends_the_clients(self) -> None:
        async with sidecar_before(b"HTTP/1.0 200 OK\r\n\r\nall of it") as rig:
            reader, writer = await rig.connect()
            writer.write(GET)
            assert await reader.read() == b"HTTP/1.0 200 OK\r\n" + VIA + b"Connection: close\r\n\r\nall of it"
            writer.close()
            assert [exchange.is_cut for exchange in rig.seen.exchanges] == [False]

    async def test_a_client_that_wants_to_close_is_let_go(self) -> None:
        async with sidecar_before(answer_each) as rig:
            reader, writer = await rig.connect()
            writer.write(GET[:-2] + b"Connection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"Connection: close\r\n\r\nok")
            assert b"Connection: close\r\n" in rig.asked[0]
            writer.close()

    async def test_what_is_not_http_passes_blindly(self) -> None:
        async with sidecar_before(b"SSH-2.0-OpenSSH_9.2\r\n\r\nwell") as rig:
            reader, writer = await rig.connect()
            writer.write(GET)
            assert await reader.read() == b"SSH-2.0-OpenSSH_9.2\r\n\r\nwell"
            writer.close()
            assert [exchange.is_blind for exchange in rig.seen.exchanges] == [True]

    async def test_chunks_that_break_their_rules_pass_blindly_too(self) -> None:
        broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello"
        async with sidecar_before(broken) as rig:
            reader, writer = await rig.connect()
            writer.write(GET)
            assert (await reader.read()).endswith(b"\r\n\r\nzz\r\nhello")
            writer.close()

    async def test_a_path_may_begin_further_down(self) -> None:
        async with sidecar_before(answer_each) as rig:
            before = rig.seen.upstream
            rig.seen.upstream = Upstream(before.host, before.port, None, b"h", prefix=b"/gateway")
            assert await rig.say(GET) == PASSED_OK
            assert rig.asked[0].startswith(b"GET /gateway/v1/models HTTP/1.1\r\n")

    @pytest.mark.parametrize("name", ["llm.bytespike.ai", "LLM.bytespike.ai", "127.0.0.1:{port}", "localhost:{port}"])
    @pytest.mark.parametrize(
        ("path", "asked_for"),
        [("/v1/models?a=b", "/v1/models?a=b"), ("", "/"), ("?a", "/?a")],
    )
    async def test_a_server_named_in_the_target_is_taken_for_this_one(
        self, name: str, path: str, asked_for: str
    ) -> None:
        async with sidecar_before(answer_each) as rig:
            target = f"http://{name.format(port=rig.port)}{path}"
            assert await rig.say(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) == PASSED_OK
            assert rig.asked[0].startswith(f"GET {asked_for} HTTP/1.1\r\nHost: llm.bytespike.ai\r\n".encode())

    async def test_the_server_as_a_whole_is_asked_as_a_whole(self) -> None:
        async with sidecar_before(answer_each) as rig:
            rig.seen.upstream = replace(rig.seen.upstream, prefix=b"/gateway", more=((b"X-More", b"1"),))
            assert await rig.say(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n") == PASSED_OK
            assert rig.asked == [b"OPTIONS * HTTP/1.1\r\nHost: llm.bytespike.ai\r\nX-More: 1\r\n" + VIA + b"\r\n"]


class TestFaults:
    async def test_an_answer_cut_in_the_middle_is_cut_for_the_client(self) -> None:
        async with sidecar_before(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf") as rig:
            reader, writer = await rig.connect()
            writer.write(GET)
            assert (await reader.read()).endswith(b"\r\n\r\nhalf")
            writer.close()
            assert [(one.code, one.is_cut) for one in rig.seen.exchanges] == [(200, True)]
            assert rig.seen.faults == [UpstreamFault.CUT]

    async def test_half_a_head_is_passed_on_before_the_end(self) -> None:
        async with sidecar_before(b"HTTP/1.1 200 OK\r\nContent-") as rig:
            assert await rig.say(GET) == b"HTTP/1.1 200 OK\r\nContent-"
            assert [(one.code, one.is_cut) for one in rig.seen.exchanges] == [(0, True)]

    async def test_a_connection_closed_without_an_answer_is_closed_for_the_client(self) -> None:
        async with sidecar_before(b"") as rig:
            assert await rig.say(GET) == b""
            assert [(one.code, one.is_cut) for one in rig.seen.exchanges] == [(0, True)]

    async def test_an_unreachable_upstream_is_told_in_the_apis_form(self) -> None:
        async with sidecar_before(OK) as rig:
            with socket.create_server(("127.0.0.1", 0)) as gone:
                port = gone.getsockname()[1]
            rig.seen.upstream = Upstream("127.0.0.1", port, None, b"h")
            head, _, body = (await rig.say(GET)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
            assert json.loads(body)["error"]["code"] == "upstream_unreachable"
            assert [(one.code, one.is_ours) for one in rig.seen.exchanges] == [(502, True)]
            assert rig.seen.faults == [UpstreamFault.UNREACHABLE]

    async def test_who_asks_for_a_head_is_told_of_it_without_a_body(self) -> None:
        async with sidecar_before(OK) as rig:
            with socket.create_server(("127.0.0.1", 0)) as gone:
                port = gone.getsockname()[1]
            rig.seen.upstream = Upstream("127.0.0.1", port, None, b"h")
            head, _, body = (await rig.say(GET.replace(b"GET", b"HEAD"))).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
            assert body == b""

    async def test_a_certificate_that_is_not_accepted_is_told(self, tmp_path: Path) -> None:
        mine = Certificate.make(tmp_path, "localhost", names=[x509.DNSName("localhost")])
        presenting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        presenting.load_cert_chain(mine.cert, mine.key)
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=presenting)
        async with server, sidecar_before(OK) as rig:
            port = server.sockets[0].getsockname()[1]
            rig.seen.upstream = Upstream("localhost", port, ssl.create_default_context(), b"h")
            _, _, body = (await rig.say(GET)).partition(b"\r\n\r\n")
            error = json.loads(body)["error"]
            assert error["code"] == "upstream_certificate"
            assert "self-signed certificate" in error["message"]
            assert rig.seen.faults == [UpstreamFault.CERTIFICATE]

    async def test_an_upstream_that_does_not_answer_in_time_is_given_up(self) -> None:
        async def never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(60)

        async with sidecar_before(never, upstream_timeout=0.1) as rig:
            reader, writer = await rig.connect()
            writer.write(GET)
            assert (await reader.read()).startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
            writer.close()
            assert rig.seen.faults == [UpstreamFault.TIMEOUT]

    @pytest.mark.parametrize(
        ("said", "status"),
        [
            (b"nonsense\r\n\r\n", b"400 Bad Request"),
            (b"GET models HTTP/1.1\r\n\r\n", b"400 Bad Request"),
            (b"GET ftp://llm.bytespike.ai/ HTTP/1.1\r\n\r\n", b"400 Bad Request"),
            (b"GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n", b"421 Misdirected Request"),
            (b"GET http://me@llm.bytespike.ai/ HTTP/1.1\r\n\r\n", b"421 Misdirected Request"),
            (b"GET / HTTP/1.1\r\n Folded: x\r\n\r\n", b"400 Bad Request"),
            (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"400 Bad Request"),
            (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", b"405 Method Not Allowed"),
            (b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_LIMIT, b"431 Request Header Fields Too Large"),
            (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400 Bad Request"),
        ],
    )
    async def test_a_request_that_cannot_be_read_is_refused(self, said: bytes, status: bytes) -> None:
        async with sidecar_before(answer_each) as rig:
            assert (await rig.say(said)).startswith(b"HTTP/1.1 " + status + b"\r\n")

    @pytest.mark.parametrize(
        ("said", "patience", "faults"),
        [
            (GET, 60.0, []),  # it changed its mind
            (GET, 0.0, [UpstreamFault.GIVEN_UP]),  # its own timeout is shorter than the sidecar's
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 0.0, []),  # it had not asked all of it yet
        ],
    )
    async def test_a_client_that_leaves_takes_its_request_along(
        self, said: bytes, patience: float, faults: list[UpstreamFault], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passage, "GIVEN_UP_SECONDS", patience)
        came, left = asyncio.Event(), asyncio.Event()

        async def wait_for_the_end(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            came.set()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            left.set()

        async with sidecar_before(wait_for_the_end) as rig:
            _reader, writer = await rig.connect()
            writer.write(said)
            async with asyncio.timeout(20):
                await came.wait()
                writer.transport.abort()
                await left.wait()
            assert [one.is_cut for one in rig.seen.exchanges] == [True]
            assert rig.seen.faults == faults

    @pytest.mark.parametrize("said", [GET, POST[:-1]])
    async def test_a_client_that_leaves_while_no_connection_comes_about_has_given_the_upstream_up(
        self, said: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passage, "GIVEN_UP_SECONDS", 0.0)
        tried, left = asyncio.Event(), asyncio.Event()

        async def never(*_: object) -> None:
            tried.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

        monkeypatch.setattr(sidecar, "reach", never)
        async with sidecar_before(OK) as rig:
            _reader, writer = await rig.connect()
            writer.write(said)
            async with asyncio.timeout(20):
                await tried.wait()
                writer.transport.abort()
                await left.wait()
            assert rig.seen.faults == [UpstreamFault.GIVEN_UP]

    async def test_a_resting_connection_that_the_upstream_closes_is_closed_for_the_client(self) -> None:
        async with sidecar_before(OK) as rig:
            reader, writer = await rig.connect()
            writer.write(GET)
            assert await reader.readexactly(len(PASSED_OK)) == PASSED_OK
            assert await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()


class TestBounds:
    async def test_a_client_that_does_not_read_holds_the_upstream_up(self) -> None:
        sent = 0

        async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16

        async with sidecar_before(pour) as rig:
            _reader, writer = await rig.connect()
            writer.write(GET)
            _reader._transport.pause_reading()  # type: ignore[attr-defined]
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < 32 * 1024 * 1024  # what the kernel's buffers take, of a stream without end
            writer.transport.abort()

    async def test_an_upstream_that_does_not_read_holds_the_client_up(self) -> None:
        async def never_read(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(60)

        async with sidecar_before(never_read) as rig:
            _reader, writer = await rig.connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await asyncio.sleep(0.05)
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < 64 * 1024 * 1024:
                    writer.write(bytes(1 << 16))
                    await asyncio.wait_for(writer.drain(), 0.5)
                    sent += 1 << 16
            assert sent < 32 * 1024 * 1024
            writer.transport.abort()


class TestHolding:
    async def test_an_answer_waits_until_what_it_says_is_durable(self) -> None:
        durable = asyncio.Event()

        async def commit() -> None:
            await asyncio.sleep(0.1)
            durable.set()

        async with sidecar_before(answer_each, holds=commit()) as rig:
            reader, writer = await rig.connect()
            writer.write(POST)
            assert await reader.readexactly(len(PASSED_OK)) == PASSED_OK
            assert durable.is_set()
            writer.close()

    async def test_but_not_for_long(self) -> None:
        async with sidecar_before(answer_each, holds=asyncio.sleep(30)) as rig:
            reader, writer = await rig.connect()
            writer.write(POST)
            assert await asyncio.wait_for(reader.readexactly(len(PASSED_OK)), 20) == PASSED_OK
            writer.close()

    async def test_a_long_answer_is_not_held(self) -> None:
        size = 2 * HOLD_LIMIT
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)

        async with sidecar_before(answer, holds=asyncio.sleep(0)) as rig:
            assert (await rig.say(POST)).endswith(bytes(size))


class TestTheEnd:
    async def test_requests_under_way_are_answered_and_no_further_ones(self) -> None:
        async def slowly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.2)
            writer.write(OK)
            await asyncio.sleep(10)

        async with sidecar_before(slowly) as rig:
            reader, writer = await rig.connect()
            writer.write(GET)
            await asyncio.sleep(0.05)
            stopping = asyncio.create_task(rig.sidecar.stop(deadline=2))
            assert (await reader.read()).endswith(b"ok")
            await stopping
            writer.close()
            with pytest.raises(ConnectionError):
                await rig.connect()

    @pytest.mark.parametrize("deadline", [0.0, 2.0])
    async def test_what_was_learnt_is_durable_first(self, deadline: float) -> None:
        durable = asyncio.Event()

        async def commit() -> None:
            await asyncio.sleep(0.6)  # longer than an answer is held
            durable.set()

        async with sidecar_before(answer_each, holds=commit()) as rig:
            reader, writer = await rig.connect()
            writer.write(POST)
            assert await reader.readexactly(len(PASSED_OK)) == PASSED_OK
            assert not durable.is_set()
            assert await rig.sidecar.stop(deadline=deadline) == 0
            assert durable.is_set()
            writer.close()

    async def test_what_cannot_become_durable_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sidecar, "LEARNING_SECONDS", 0.1)
        async with sidecar_before(answer_each, holds=asyncio.sleep(20)) as rig:
            reader, writer = await rig.connect()
            writer.write(POST)
            assert await reader.readexactly(len(PASSED_OK)) == PASSED_OK
            assert await rig.sidecar.stop(deadline=0) == 1
            writer.close()
