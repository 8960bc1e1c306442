"""What a connection's other end may take its time with, and what becomes of it then. Over real sockets."""

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from exporter.metrics.traffic import Ending, Traffic
from exporter.web import server
from exporter.web.connection import RECEIVED_BYTES, Connection, Deadlines
from tests.support.sockets import rest, serving, until

SHORT = 0.1
LONG = 60.0

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


async def hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


async def body(request: Request) -> Response:
    return PlainTextResponse(f"{len(await request.body())} bytes")


async def gone(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("nobody reads this", 400)


APP = Starlette(
    routes=[Route("/", hello), Route("/body", body, methods=["POST"])], exception_handlers={ClientDisconnect: gone}
)


async def never(_scope: Scope, receive: Receive, _send: Send) -> None:
    """Answers nobody, until nobody waits for it."""
    while (await receive())["type"] != "http.disconnect":
        pass


def deadlines(**short: float) -> Deadlines:
    """None ever comes, but for those that are given."""
    return Deadlines(**{**dict.fromkeys(("head", "body", "write", "idle"), LONG), **short})


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


@pytest.mark.parametrize(
    ("sent", "short", "status", "ending"),
    [
        (b"", "head", None, Ending.HEAD_TIMEOUT),
        (b"GET / HTTP/1.1\r\nHo", "head", 408, Ending.HEAD_TIMEOUT),
        (GET + b"GET", "head", 408, Ending.HEAD_TIMEOUT),
        (POST, "body", 408, Ending.BODY_TIMEOUT),
        (POST + b"some", "body", 408, Ending.BODY_TIMEOUT),
        (
            POST.replace(b"Content-Length: 10", b"Transfer-Encoding: chunked") + b"4\r\nso",
            "body",
            408,
            Ending.BODY_TIMEOUT,
        ),
    ],
    ids=["nothing", "half a head", "half a second head", "no body", "half a body", "half a chunk"],
)
async def test_who_does_not_go_on_is_told_so_and_let_go(
    traffic: Traffic, sent: bytes, short: str, status: int | None, ending: Ending
) -> None:
    async with serving(APP, deadlines=deadlines(**{short: SHORT}), traffic=traffic) as web:
        answer = await web.told(sent)
        last = answer[answer.rfind(b"HTTP/1.1") :]
        assert last.startswith(f"HTTP/1.1 {status} ".encode()) if status else answer == b""
        assert (b"connection: close" in last) is bool(status)
        assert traffic.take_endings() == {ending: 1}
        await until(lambda: traffic.view.connections == 0)


@pytest.mark.parametrize(
    ("sent", "later", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"more", 400),
        (b"HEAD / HTTP/1.0\r\nHost: x\r\n\r\n", b"more", 400),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", b"some", 408),
    ],
    ids=["more behind the last one", "more behind one of HTTP/1.0", "half a body"],
)
async def test_who_asks_for_a_head_is_told_without_a_body(
    traffic: Traffic, sent: bytes, later: bytes, status: int
) -> None:
    async with serving(never, deadlines=deadlines(body=SHORT), traffic=traffic, log=structlog.get_logger()) as web:
        with capture_logs() as logs:
            reader, writer = await web.connect(sent)
            await asyncio.sleep(SHORT / 5)
            writer.write(later)
            head, _, body_of_it = (await rest(reader)).partition(b"\r\n\r\n")
            writer.close()
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert body_of_it == b""
        assert [line for line in logs if line["log_level"] == "error"] == []
        await until(lambda: traffic.view.connections == 0)


@pytest.mark.parametrize(
    ("sent", "short"),
    [(b"GET / HTTP/1.1\r\n", "head"), (POST.replace(b"10", b"99999"), "body")],
    ids=["a head", "a body"],
)
async def test_who_goes_on_drop_by_drop_is_not_waited_for_longer(traffic: Traffic, sent: bytes, short: str) -> None:
    async with serving(APP, deadlines=deadlines(**{short: 0.3}), traffic=traffic) as web:
        reader, writer = await web.connect(sent)
        answering = asyncio.create_task(rest(reader))
        async with asyncio.timeout(20):
            while not answering.done():
                writer.write(b"x")
                await asyncio.sleep(0.02)
        assert b" 408 " in await answering
        writer.close()


async def test_who_refuses_to_stop_sending_after_an_early_answer_is_not_waited_for(traffic: Traffic) -> None:
    """The answer came before the body: there is nothing more to say, but an end."""
    async with serving(APP, deadlines=deadlines(body=SHORT), traffic=traffic) as web:
        answer = await web.told(POST.replace(b"/body", b"/none"))
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b" 404 " in answer
        assert traffic.take_endings() == {Ending.BODY_TIMEOUT: 1}


async def test_an_answer_may_take_longer_than_its_request() -> None:
    async def slow(_request: Request) -> Response:
        await asyncio.sleep(3 * SHORT)
        return PlainTextResponse("done")

    short = Deadlines(head=SHORT, body=SHORT, write=SHORT, idle=SHORT)
    async with serving(Starlette(routes=[Route("/", slow)]), deadlines=short) as web, httpx.AsyncClient() as client:
        assert (await client.get(web.url)).text == "done"


async def test_between_requests_there_is_time() -> None:
    async with serving(APP, deadlines=deadlines(head=SHORT, body=SHORT)) as web:
        reader, writer = await web.connect(GET)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(3 * SHORT)
        writer.write(GET)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_an_idle_connection_is_closed_without_a_word_and_without_being_counted(traffic: Traffic) -> None:
    async with serving(APP, deadlines=deadlines(idle=SHORT), traffic=traffic) as web:
        assert (await web.told(GET)).endswith(b"hello")
        assert not traffic.take_endings()


# ---- reading ---------------------------------------------------------------------------------------------------------


def endless(ended: asyncio.Event) -> Starlette:
    """An answer that never ends by itself, and one of 16 MiB at once."""

    class Told(StreamingResponse):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await super().__call__(scope, receive, send)
            finally:
                ended.set()

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 16)
            await asyncio.sleep(0)

    async def answer(_request: Request) -> Response:
        return Told(pieces())

    async def big(_request: Request) -> Response:
        return Response(bytes(16 << 20))

    return Starlette(routes=[Route("/", answer), Route("/big", big)])


@pytest.mark.parametrize("path", [b"/", b"/big"])
async def test_who_reads_nothing_is_cut_off(traffic: Traffic, path: bytes) -> None:
    """One that is finished as far as the app goes, but has not been read, is no better."""
    ended = asyncio.Event()
    async with serving(endless(ended), deadlines=deadlines(write=SHORT), traffic=traffic) as web:
        with socket.create_connection(("127.0.0.1", web.port)) as client:
            client.sendall(GET.replace(b"/", path, 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            await until(lambda: traffic.view.connections == 1)
            await until(lambda: traffic.view.connections == 0)
        if path == b"/":
            await until(ended.is_set)
        assert traffic.take_endings() == {Ending.WRITE_TIMEOUT: 1}


async def test_who_reads_slowly_but_reads_is_served_to_the_end() -> None:
    async with serving(endless(asyncio.Event()), deadlines=deadlines(write=SHORT)) as web:
        reader, writer = await web.connect(GET.replace(b"/", b"/big", 1))
        read = len(await reader.readuntil(b"\r\n\r\n"))
        read = 0
        while read < 16 << 20:
            read += len(await reader.read(1 << 20))
            await asyncio.sleep(0.01)
        writer.close()


# ---- what is not HTTP ------------------------------------------------------------------------------------------------

BROKEN = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a bad length": POST.replace(b"10", b"-1"),
    "two lengths": POST.replace(b"Content-Length: 10", b"Content-Length: 10\r\nContent-Length: 11"),
    "another encoding": POST.replace(b"Content-Length: 10", b"Transfer-Encoding: gzip, chunked"),
    "a bad chunk": POST.replace(b"Content-Length: 10", b"Transfer-Encoding: chunked") + b"zz\r\n",
    "a chunk without end": POST.replace(b"Content-Length: 10", b"Transfer-Encoding: chunked") + b"1" * 40 + b"\r\n",
    "a long head": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000,
    "a long head that is whole": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 8_000 + b"\r\n",
    "a bad header": b"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
    "both framings": POST.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunks in HTTP/1.0": b"POST /body HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
async def test_what_cannot_be_understood_is_refused_once_and_the_connection_closed(sent: bytes) -> None:
    """A second request behind it is not answered: where the first ends is not known."""
    with capture_logs() as lines:
        async with serving(APP, log=structlog.get_logger()) as web:
            answer = await web.told(sent + GET)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()
    assert all("exc_info" not in line for line in lines)


async def test_requests_that_are_sent_in_advance_wait_in_the_kernel() -> None:
    """A thousand that send what fits, and do not read, must not have us hold it all."""
    async with serving(APP) as web:
        _, writer = await web.connect(GET * 20_000)
        await asyncio.sleep(0.2)
        [connection] = web.server._places.guests
        assert isinstance(connection, Connection)
        assert len(connection.conn.trailing_data[0]) <= 2 * RECEIVED_BYTES
        writer.transport.abort()


@pytest.mark.parametrize(
    "sent",
    [
        POST,
        POST + b"some",
        POST.replace(b"Content-Length: 10", b"Transfer-Encoding: chunked") + b"4\r\nso",
        GET[:9],
        GET,
    ],
)
async def test_who_hangs_up_in_the_midst_leaves_nothing_behind(traffic: Traffic, sent: bytes) -> None:
    with capture_logs() as lines:
        async with serving(APP, log=structlog.get_logger(), traffic=traffic) as web:
            for reset in (False, True):
                _, writer = await web.connect(sent)
                await asyncio.sleep(0.02)
                if reset:
                    writer.transport.abort()
                writer.close()
            await until(lambda: traffic.view.connections == 0)
    assert lines == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + 20_000 * b"x", 431),
        (b"GET /" + 20_000 * b"x", 431),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n" + 20_000 * b"x", 400),
        (b"HELO\r\n\r\n", 400),
    ],
    ids=["a long header", "a long target", "a fault, and much behind it", "no HTTP"],
)
async def test_a_head_that_is_too_long_is_told_from_one_that_is_wrong(
    traffic: Traffic, sent: bytes, status: int
) -> None:
    async with serving(APP, traffic=traffic) as web:
        assert (await web.told(sent)).startswith(f"HTTP/1.1 {status} ".encode())
        assert traffic.take_endings() == {Ending.BAD_REQUEST: 1}


@pytest.mark.parametrize(
    "sent",
    [GET.replace(b"\r\n", b"\n"), GET.replace(b"Host", b"X-Folded: a\r\n b\r\nHost")],
    ids=["LF alone (RFC 9112, 2.2)", "a folded line (RFC 9112, 5.2)"],
)
async def test_what_a_server_may_take_is_taken(sent: bytes) -> None:
    closing = sent.replace(b"Host: x", b"Connection: close\r\nHost: x")
    async with serving(APP) as web:
        assert (await web.told(closing)).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What is in a cycle stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("is_theirs", [True, False], ids=["they close it", "it is closed on them"])
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHo",
        POST,
        POST + b"some",
        GET,
        40 * GET,
        b"HELO\r\n\r\n",
        b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["nothing", "half a head", "no body", "half a body", "a request", "many", "no HTTP", "a long answer"],
)
async def test_nothing_is_left_of_it(monkeypatch: pytest.MonkeyPatch, sent: bytes, *, is_theirs: bool) -> None:
    """Not even for the collector: what is there while it looks at all may be taken for what lasts (cli/garbage.py)."""
    ended = asyncio.Event()
    app = Starlette(routes=[*APP.routes, Mount("/long", endless(ended))], exception_handlers={ClientDisconnect: gone})
    left, taken = weakref.WeakSet[Connection](), asyncio.Event()

    class Noted(Connection):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            left.add(self)
            taken.set()

    monkeypatch.setattr(server, "Connection", Noted)
    all_short = Deadlines(head=SHORT, body=SHORT, write=SHORT, idle=SHORT)
    async with serving(app, deadlines=deadlines() if is_theirs else all_short) as web:
        with socket.create_connection(("127.0.0.1", web.port)) as client:
            client.sendall(sent)
            await taken.wait()
            await asyncio.sleep(0.05)
            if is_theirs:
                client.close()
            await until(lambda: not left)


async def test_a_crowd_that_speaks_no_http_is_one_line_and_a_sum() -> None:
    with capture_logs() as lines:
        async with serving(APP, log=structlog.get_logger()) as web:
            for _ in range(20):
                await web.told(b"\r\n\r\nHELO there\r\n\r\n")
    assert [(line["event"], line["kind"], line.get("times")) for line in lines] == [
        ("connections_closed", "bad_request", None),
        ("connections_closed", "bad_request", 19),
    ]


async def test_a_fault_of_the_app_is_told_with_its_traceback_once() -> None:
    async def broken(_request: Request) -> Response:
        raise KeyError("fault")

    with capture_logs() as lines:
        async with serving(Starlette(routes=[Route("/", broken)]), log=structlog.get_logger()) as web:
            for _ in range(3):
                assert b" 500 " in await web.told(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    first, later = lines
    assert isinstance(first["exc_info"], KeyError)
    assert (first["kind"], later["kind"], later["times"]) == ("KeyError", "KeyError", 2)


@pytest.mark.slow
async def test_who_does_not_read_does_not_keep_the_server_from_stopping() -> None:
    """And what was cut off is one line, not one for each."""
    ended = asyncio.Event()
    with capture_logs() as lines:
        async with serving(endless(ended), log=structlog.get_logger()) as web:
            clients = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(3)]
            for client in clients:
                client.sendall(GET)
            await asyncio.sleep(0.1)
        await until(ended.is_set)
        for client in clients:
            client.close()
    assert [(line["kind"], line.get("times")) for line in lines] == [("stopping", None), ("stopping", 2)]
