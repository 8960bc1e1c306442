"""Both sides at their worst: what they may not do to the sidecar, to each other, and to what is counted."""

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest

from exporter.metrics.families.proxy import Refused
from exporter.proxy import passage
from exporter.proxy.exchange import COPY_LIMIT, Copy, Room
from exporter.proxy.head import VIA, HeadError, RequestHead
from exporter.proxy.reaching import Upstream
from exporter.proxy.reading import EVENT_LIMIT, Events
from exporter.tasks.identity import TaskRef
from tests.proxy.test_passage import GET, OK, PASSED_OK, POST, Seen, answer_each, sidecar_before
from tests.support.raw_server import raw_server

EXPECTING = b"POST /v1/tasks/submit HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


class TestTime:
    """What arrives is read in a time that grows with its length alone."""

    def test_a_field_of_spaces(self) -> None:
        began = time.process_time()
        with pytest.raises(HeadError):
            RequestHead.read(b"GET / HTTP/1.1\r\nX:" + b" " * 64_000 + b"\x01")
        assert time.process_time() - began < 1

    def test_a_stream_byte_by_byte(self) -> None:
        events = Events(TaskRef("a", task_id="b"), lambda *_: None, key="k")
        began = time.process_time()
        for _ in range(EVENT_LIMIT):
            events.add(b"x")
        assert time.process_time() - began < 1


class TestTheAnswerIsThere:
    async def test_before_the_client_has_sent_what_it_asked_leave_for(self) -> None:
        async with sidecar_before(OK, holds=asyncio.sleep(0)) as rig, answering_early(rig.seen, OK):
            reader, writer = await rig.connect()
            writer.write(EXPECTING)
            assert await asyncio.wait_for(reader.readexactly(len(PASSED_OK)), 20) == PASSED_OK
            writer.write(b"hello")
            await until(lambda: bool(rig.seen.exchanges))
            assert [one.is_cut for one in rig.seen.exchanges] == [False]
            writer.close()

    async def test_before_a_large_body_is_sent_and_the_upstream_hangs_up(self) -> None:
        early = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
        async with sidecar_before(answer_each) as rig, answering_early(rig.seen, early, closes=True):
            reader, writer = await rig.connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n" + bytes(100_000))
            with contextlib.suppress(ConnectionError):
                for _ in range(8):
                    writer.write(bytes(100_000))
                    await asyncio.sleep(0.02)
            assert (await asyncio.wait_for(reader.read(), 20)).endswith(b"\r\n\r\nbig")
            assert [(one.code, one.is_cut) for one in rig.seen.exchanges] == [(413, False)]
            writer.close()

    async def test_where_its_length_is_said_twice_on_a_connection_that_stays(self) -> None:
        twice = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"

        async def stay(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(twice)
            await asyncio.sleep(10)

        async with sidecar_before(stay, holds=asyncio.sleep(0)) as rig:
            assert (await rig.say(POST)).endswith(b"\r\n\r\nok")


class TestCounting:
    async def test_bytes_behind_an_answer_that_is_held_do_not_count_it_twice(self) -> None:
        async def twice(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(OK)
            await asyncio.sleep(0.05)
            writer.write(OK)
            await asyncio.sleep(10)

        async with sidecar_before(twice, holds=asyncio.sleep(0.2)) as rig:
            assert await rig.say(POST) == PASSED_OK
            assert len(rig.seen.exchanges) == 1


class TestBounds:
    async def test_a_second_upstream_waits_for_a_client_that_does_not_read_the_first(self) -> None:
        sent = 0

        async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16

        async with sidecar_before(OK) as rig, raw_server(pour) as other:
            client = FullClient()
            one = passage.Passage(rig.sidecar, rig.seen, standing=set())
            one.connection_made(client)
            one.pause_writing()
            rig.seen.upstream = Upstream("127.0.0.1", other.port, None, b"h")
            one.data_received(GET)
            before = -1
            while before != sent or not other.requests:
                before = sent
                await asyncio.sleep(0.3)
            assert client.taken < 1 << 20
            one.connection_lost(None)

    def test_copies_share_their_room(self) -> None:
        room = Room(3 * COPY_LIMIT)
        copies = [Copy(room) for _ in range(5)]
        for copy in copies:
            copy.add(bytes(COPY_LIMIT))
        assert [copy.is_whole for copy in copies] == [True, True, True, False, False]
        for copy in copies:
            copy.drop()
        assert room.left == 3 * COPY_LIMIT

    async def test_a_head_may_not_trickle_in_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(passage, "HEAD_SECONDS", 0.5)
        async with sidecar_before(answer_each) as rig:
            reader, writer = await rig.connect()
            answer = asyncio.create_task(reader.read())
            for _ in range(40):
                if answer.done():
                    break
                writer.write(b"G")
                await asyncio.sleep(0.1)
            assert (await answer).startswith(b"HTTP/1.1 408 ")
            writer.close()

    async def test_a_connection_that_is_no_http_is_given_up_when_it_is_silent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passage, "SILENT_SECONDS", 0.2)

        async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0\r\n\r\n")
            await asyncio.sleep(20)

        async with sidecar_before(babble) as rig:
            reader, writer = await rig.connect()
            writer.write(GET)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 20)
            writer.close()

    async def test_an_upstream_that_is_the_sidecar_itself_is_told(self) -> None:
        async with sidecar_before(answer_each) as rig:
            rig.seen.upstream = Upstream("127.0.0.1", rig.port, None, b"h")
            assert (await rig.say(GET)).startswith(b"HTTP/1.1 508 Loop Detected\r\n")

    async def test_more_clients_than_there_is_room_for_are_closed(self) -> None:
        async with sidecar_before(answer_each) as rig:
            rig.sidecar._clients = lambda: 2
            first, second = await rig.connect(), await rig.connect()
            reader, writer = await rig.connect()
            assert await asyncio.wait_for(reader.read(), 20) == b""
            assert rig.refused == [Refused.LIMIT]
            first[1].write(GET)
            assert await first[0].readexactly(len(PASSED_OK)) == PASSED_OK
            for each in (first[1], second[1], writer):
                each.close()

    async def test_a_client_waits_while_there_is_no_descriptor_for_it(self) -> None:
        async with sidecar_before(answer_each) as rig:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            client = socket.socket()
            client.setblocking(False)
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
            try:
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", rig.port))
                await until(lambda: bool(rig.refused))
                await asyncio.sleep(0.2)  # it is tried again several times
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert rig.refused == [Refused.DESCRIPTORS]
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(GET)
            assert await asyncio.wait_for(reader.readexactly(len(PASSED_OK)), 20) == PASSED_OK
            writer.close()


def test_the_key_is_in_no_repr() -> None:
    head = RequestHead.read(b"GET / HTTP/1.1\r\nAuthorization: Bearer sk-byts-secret\r\nVia: " + VIA)
    assert "sk-byts-secret" not in repr(head)


class FullClient(asyncio.Transport):
    """A client that takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.taken += len(data)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


@contextlib.asynccontextmanager
async def answering_early(seen: Seen, answer: bytes, *, closes: bool = False) -> AsyncIterator[None]:
    """Lead requests to a server that answers as soon as it has their heads."""
    server = await asyncio.get_running_loop().create_server(lambda: _Early(answer, closes), "127.0.0.1", 0)
    seen.upstream = Upstream("127.0.0.1", server.sockets[0].getsockname()[1], None, b"h")
    async with server:
        yield


class _Early(asyncio.Protocol):
    def __init__(self, answer: bytes, closes: bool) -> None:
        self._answer = answer
        self._closes = closes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if b"\r\n\r\n" in data:
            self._transport.write(self._answer)
            if self._closes:
                self._transport.write_eof()


async def until(look: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")
