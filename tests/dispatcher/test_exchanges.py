"""Whoever speaks, httpx or ours, or ours under httpx: the same answers, and the same name for each fault."""

import asyncio
import gzip
import itertools
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from exporter.dispatcher.answer import Reason
from exporter.dispatcher.direct import DirectExchange
from exporter.dispatcher.exchange import RETRY_BUDGET, Again, Exchange, Response, at_once
from exporter.dispatcher.faults import named
from exporter.dispatcher.payload import BODY_LIMIT
from exporter.dispatcher.stock import StockExchange
from tests.support.ports import deaf_port
from tests.support.raw_server import Handler, raw_server, read_request, reset, response
from tests.support.tools import need_tool

Made = Callable[..., Exchange]

KEY = {"Authorization": "Bearer sk-byts-0123456789"}


def stock(url: str, *, timeout: float, max_in_flight: int, context: ssl.SSLContext, again: Again = at_once) -> Exchange:
    return StockExchange(
        url, timeout=timeout, max_in_flight=max_in_flight, context=context, transport=None, again=again
    )


def direct(
    url: str, *, timeout: float, max_in_flight: int, context: ssl.SSLContext, again: Again = at_once
) -> Exchange:
    return DirectExchange(httpx.URL(url), timeout=timeout, max_in_flight=max_in_flight, context=context, again=again)


def under_httpx(url: str, *, timeout: float, max_in_flight: int, context: ssl.SSLContext) -> Exchange:
    transport = DirectExchange(httpx.URL(url), timeout=timeout, max_in_flight=max_in_flight, context=context)
    return StockExchange(url, timeout=timeout, max_in_flight=max_in_flight, context=context, transport=transport)


WAYS = {"stock": stock, "direct": direct, "direct-under-httpx": under_httpx}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def opened(
    way: str, url: str, *, seconds: float = 5.0, max_in_flight: int = 2, context: ssl.SSLContext | None = None
) -> AsyncIterator[Exchange]:
    made: Made = WAYS[way]
    context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    exchange = made(url, timeout=seconds, max_in_flight=max_in_flight, context=context)
    try:
        yield exchange
    finally:
        await exchange.aclose()


@asynccontextmanager
async def listening(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A port where nothing is read before the handler does."""
    served: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served[asyncio.current_task()] = writer
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in served.items():
            writer.transport.abort()
            if task:
                task.cancel()
        await asyncio.sleep(0.02)


async def ask(exchange: Exchange, body: bytes = b"{}") -> Response:
    return await exchange.post("/v1/tasks/query", body=body, headers=KEY)


async def outcome(exchange: Exchange) -> tuple[int, bytes] | Reason:
    """Status and body, or what the fault is called."""
    try:
        answer = await ask(exchange)
    except Exception as error:  # noqa: BLE001 (as the connection does)
        return named(error).reason
    return answer.status, answer.body


# ---- answers ---------------------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BIG = b" " * (BODY_LIMIT + 1)
FLOOD = b"X-Filler: " + b"x" * 1000 + b"\r\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK + b"Content-Length: 2\r\n\r\n{}", (200, b"{}")),
        (OK + b"\r\n{}", (200, b"{}")),
        (CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", (200, b"{}")),
        (CHUNKED + b"2;name=value\r\n{}\r\n0\r\nX: y\r\n\r\n", (200, b"{}")),
        (CHUNKED + b"1\r\n \r\n" * 1000 + b"0\r\n\r\n", (200, b" " * 1000)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + OK + b"Content-Length: 2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        (OK + b"Content-Length: 0\r\n\r\n", (200, b"")),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\n{}", (302, b"")),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\n{}", (302, b"")),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", (404, b"{}")),
        (b"HTTP/1.1 500 Error\r\nContent-Length: 9999999\r\n\r\n{}", (500, b"")),
        (b"HTTP/1.1 500 Error\r\n\r\n" + BIG, (500, b"")),
        (b"HTTP/1.1 500 Error\r\nContent-Length: 99999999999999999999\r\n\r\n", (500, b"")),
        (OK + FLOOD * 30 + b"Content-Length: 2\r\n\r\n{}", (200, b"{}")),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", (200, b"\x1f\x8b")),
        (OK + b"Content-Length: %d\r\n\r\n" % BODY_LIMIT + b" " * BODY_LIMIT, (200, b" " * BODY_LIMIT)),
        (response(b"{}"), (200, b"{}")),
        (OK + b"Content-Length: 2\r\n\r\n{}" + OK, (200, b"{}")),
        (OK + b"Content-Length: 2\r\n\r\n{}\0garbage", (200, b"{}")),
        (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}}", (200, b"{}")),
        # what is no answer
        (b"", Reason.NETWORK),
        (b"HT", Reason.NETWORK),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.NETWORK),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", Reason.NETWORK),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", Reason.NETWORK),
        (OK + b"Content-Length: 2\r\n", Reason.NETWORK),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Reason.NETWORK),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n{}", Reason.NETWORK),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", Reason.NETWORK),
        (OK + b"Content-Length: -2\r\n\r\n{}", Reason.NETWORK),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", Reason.NETWORK),
        (OK + b"X\0: y\r\n\r\n{}", Reason.NETWORK),
        (CHUNKED + b"zz\r\n", Reason.NETWORK),
        (OK + FLOOD * 300 + b"\r\n{}", Reason.NETWORK),
        (CHUNKED + b"2\r\n{}\r\n0\r\n" + FLOOD * 300 + b"\r\n", Reason.NETWORK),
        (OK + b"Content-Length: 3\r\n\r\n{}", Reason.TRUNCATED),
        (CHUNKED + b"5\r\n{}", Reason.TRUNCATED),
        (CHUNKED + b"2\r\n{}\r\n", Reason.TRUNCATED),
        (OK + b"\r\n" + BIG, Reason.TOO_LARGE),
        (OK + b"Content-Length: 9999999\r\n\r\n", Reason.TOO_LARGE),
        (OK + b"Content-Length: 99999999999999999999\r\n\r\n", Reason.TOO_LARGE),
        (CHUNKED + (b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 33, Reason.TOO_LARGE),
    ],
    ids=lambda value: value[:60].decode("latin-1") if isinstance(value, bytes) else None,
)
async def test_what_each_answer_is_taken_for(way: str, answer: bytes, expected: tuple[int, bytes] | Reason) -> None:
    async with raw_server(answer) as server, opened(way, server.url) as exchange:
        assert await outcome(exchange) == expected
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "stock_takes"),
    [
        # a length said twice alike, or beside another framing, or behind it: two readers may read that in two ways
        (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
        (CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (200, b"{}")),
        (CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n", (200, b"{}")),
        # a header that goes on in the next line, and lines without CR, both given up by RFC 9112
        (OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", (200, b"{}")),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
    ],
    ids=["same-length-twice", "length-and-chunks", "length-in-trailer", "folded-header", "bare-lf", "http/2.0"],
)
async def test_ours_is_stricter_where_answers_can_be_smuggled(
    way: str, answer: bytes, stock_takes: tuple[int, bytes]
) -> None:
    async with raw_server(answer) as server, opened(way, server.url) as exchange:
        assert await outcome(exchange) == (stock_takes if way == "stock" else Reason.NETWORK)


async def test_headers_are_found_whatever_their_case_and_joined(way: str) -> None:
    answer = response(b"{}", headers=("X-Quota: 5", "x-twice: 1", "X-TWICE: 2"))
    async with raw_server(answer) as server, opened(way, server.url) as exchange:
        headers = (await ask(exchange)).headers
    assert (headers["x-quota"], headers.get("X-QUOTA"), headers.get("X-Twice")) == ("5", "5", "1, 2")
    assert headers.get("X-None", "none") == "none"
    assert "x-quota" in set(headers)


async def test_what_is_sent_is_the_same() -> None:
    sent = []
    for way in WAYS:
        async with raw_server(response(b"{}")) as server, opened(way, f"{server.url}/pre fix") as exchange:
            await ask(exchange, b'{"task_id": "x"}')
            head, _, body = server.requests[0].replace(str(server.port).encode(), b"PORT").partition(b"\r\n\r\n")
            line, *headers = head.split(b"\r\n")
            sent.append((line, sorted(header.lower() for header in headers), body))
    assert sent[0][0] == b"POST /pre%20fix/v1/tasks/query HTTP/1.1"
    assert sent[0] == sent[1] == sent[2]


# ---- connections -----------------------------------------------------------------------------------------------------

SHORT = OK + b"Content-Length: 2\r\n\r\n{}"


class Script:
    """A handler that keeps its connections, and answers the nth request of the mth as told; None: it closes."""

    def __init__(self, answer: Callable[[int, int], bytes | None]) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self.connections
        self.connections += 1
        for request in itertools.count():
            if (said := self._answer(connection, request)) is None:
                return
            writer.write(said)
            await writer.drain()
            self.requests.append(await read_request(reader))


async def test_a_connection_is_kept(way: str) -> None:
    script = Script(lambda *_: SHORT)
    async with raw_server(script) as server, opened(way, server.url) as exchange:
        for _ in range(3):
            assert await outcome(exchange) == (200, b"{}")
    assert script.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 500 Error\r\nContent-Length: 9999999\r\n\r\n{}",
    ],
    ids=["close", "http/1.0", "redirect", "too-large"],
)
async def test_a_connection_that_cannot_be_used_again_is_not(way: str, answer: bytes) -> None:
    script = Script(lambda *_: answer)
    async with raw_server(script) as server, opened(way, server.url) as exchange:
        for _ in range(2):
            assert isinstance(await outcome(exchange), tuple)
    assert script.connections == 2


@pytest.mark.parametrize("surplus", [SHORT.replace(b"{}", b"[]"), b"garbage", b"{"], ids=["answer", "garbage", "brace"])
@pytest.mark.parametrize(
    "way", ["direct", "direct-under-httpx"]
)  # httpx takes such an answer for that to the next request
async def test_what_comes_behind_an_answer_is_no_answer_to_the_next_request(way: str, surplus: bytes) -> None:
    script = Script(lambda *_: SHORT + surplus)
    async with raw_server(script) as server, opened(way, server.url) as exchange:
        for _ in range(2):
            assert await outcome(exchange) == (200, b"{}")
    assert script.connections == 2


@pytest.mark.parametrize("way", ["direct", "direct-under-httpx"])
async def test_what_comes_while_nothing_is_asked_costs_the_connection(way: str) -> None:
    closed = asyncio.Event()

    async def unasked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SHORT)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(SHORT.replace(b"{}", b"[]"))
        await reader.read()
        closed.set()

    async with raw_server(unasked) as server, opened(way, server.url) as exchange:
        assert await outcome(exchange) == (200, b"{}")
        await asyncio.wait_for(closed.wait(), 20)
        assert await outcome(exchange) == (200, b"{}")


async def test_a_connection_that_the_server_closed_at_rest_is_replaced(way: str) -> None:
    connections = 0

    async def close_at_rest(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(SHORT)
        await writer.drain()
        await asyncio.sleep(0.02)

    async with raw_server(close_at_rest) as server, opened(way, server.url) as exchange:
        for _ in range(2):
            assert await outcome(exchange) == (200, b"{}")
            await asyncio.sleep(0.1)
    assert connections == 2


def closing_at_the_second_request(_connection: int, request: int) -> bytes | None:
    """As a server does that gave the connection up in the very moment in which it was used."""
    return None if request else SHORT


async def test_a_request_that_met_a_closing_connection_is_sent_once_more(way: str) -> None:
    script = Script(closing_at_the_second_request)
    async with raw_server(script) as server, opened(way, server.url) as exchange:
        assert await outcome(exchange) == (200, b"{}")
        assert await outcome(exchange) == (200, b"{}")
    assert script.connections == 2


async def test_it_is_sent_over_a_new_connection_though_others_rest(way: str) -> None:
    """The server closes all that it kept: each of the others would fail in the same way."""
    script = Script(closing_at_the_second_request)
    async with raw_server(script) as server, opened(way, server.url, max_in_flight=4) as exchange:
        assert await asyncio.gather(*(outcome(exchange) for _ in range(4))) == [(200, b"{}")] * 4
        assert await outcome(exchange) == (200, b"{}")
    assert script.connections == 5


@pytest.mark.parametrize("way", ["stock", "direct"])
async def test_where_kept_connections_always_end_no_request_fails(way: str) -> None:
    """A firewall forgets what rests for a while: of the tries none is left, so no connection is kept either."""
    script = Script(closing_at_the_second_request)
    async with raw_server(script) as server, opened(way, server.url) as exchange:
        for _ in range(4 * RETRY_BUDGET):
            assert await outcome(exchange) == (200, b"{}")


@pytest.mark.parametrize("way", ["stock", "direct"])
async def test_what_is_sent_once_more_stays_below_a_tenth(way: str) -> None:
    """The account's limits are the gate's; a server that always closes must not be asked twice as often."""
    script = Script(closing_at_the_second_request)
    asked = 4 * RETRY_BUDGET
    async with raw_server(script) as server, opened(way, server.url) as exchange:
        for _ in range(asked):
            await outcome(exchange)
    assert asked < len(script.requests) + script.connections <= asked + asked // RETRY_BUDGET


@pytest.mark.parametrize("has_place", [True, False])
@pytest.mark.parametrize("way", ["stock", "direct"])
async def test_nothing_is_sent_once_more_without_a_place_in_the_limits(way: str, has_place: bool) -> None:
    asked: list[float] = []

    async def again(seconds: float) -> bool:
        asked.append(seconds)
        return has_place

    script = Script(closing_at_the_second_request)
    context = httpx.create_ssl_context()
    async with raw_server(script) as server:
        made: Made = WAYS[way]
        exchange = made(server.url, timeout=5.0, max_in_flight=1, context=context, again=again)
        assert await outcome(exchange) == (200, b"{}")
        assert await outcome(exchange) == ((200, b"{}") if has_place else Reason.NETWORK)
        await exchange.aclose()
    assert 4.0 < asked[0] <= 5.0
    assert script.connections == 1 + has_place


async def test_a_request_is_sent_once_more_at_most(way: str) -> None:
    script = Script(lambda connection, request: None if connection or request else SHORT)
    async with raw_server(script) as server, opened(way, server.url) as exchange:
        assert await outcome(exchange) == (200, b"{}")
        assert await outcome(exchange) is Reason.NETWORK
    assert script.connections == 2


async def test_once_a_byte_of_the_answer_has_come_nothing_is_sent_again(way: str) -> None:
    connections = 0

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(SHORT)
        await read_request(reader)
        writer.write(b"HTTP/1.1 2")
        await writer.drain()

    async with raw_server(cut) as server, opened(way, server.url) as exchange:
        assert await outcome(exchange) == (200, b"{}")
        # httpx does not tell a part of a head from nothing
        assert await outcome(exchange) == ((200, b"{}") if way == "stock" else Reason.NETWORK)
    assert connections == (2 if way == "stock" else 1)


async def test_no_more_connections_than_may_be_in_flight(way: str) -> None:
    script = Script(lambda *_: SHORT)
    async with raw_server(script) as server, opened(way, server.url, max_in_flight=2) as exchange:
        assert await asyncio.gather(*(outcome(exchange) for _ in range(20))) == [(200, b"{}")] * 20
    assert script.connections <= 2


async def test_whoever_is_cancelled_takes_no_place_along(way: str) -> None:
    """In flight, and while waiting for a place; whoever waits behind them is served, and as many at once as before."""
    go = asyncio.Event()
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while True:
            asked += 1
            await go.wait()
            writer.write(SHORT)
            await writer.drain()
            await read_request(reader)

    async with raw_server(answer) as server, opened(way, server.url, max_in_flight=2) as exchange:
        crowd = [asyncio.create_task(outcome(exchange)) for _ in range(12)]
        async with asyncio.timeout(20):
            while asked < 2:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.001)
        for one in crowd[:8]:
            one.cancel()
        go.set()
        assert await asyncio.gather(*crowd[8:]) == [(200, b"{}")] * 4
        go.clear()
        before = asked
        crowd = [asyncio.create_task(outcome(exchange)) for _ in range(4)]
        async with asyncio.timeout(20):
            while asked < before + 2:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.001)
        go.set()
        assert await asyncio.gather(*crowd) == [(200, b"{}")] * 4


async def test_the_connection_that_rested_last_is_used_first() -> None:
    used: list[int] = []

    def answer(connection: int, _request: int) -> bytes:
        used.append(connection)
        return SHORT

    script = Script(answer)
    async with raw_server(script) as server, opened("direct", server.url, max_in_flight=3) as exchange:
        await asyncio.gather(*(outcome(exchange) for _ in range(3)))
        for _ in range(5):
            await outcome(exchange)
    assert len(set(used[3:])) == 1


@pytest.mark.parametrize(("limit", "connections"), [("KEEPALIVE", 2), ("MAX_AGE", 2), (None, 1)])
@pytest.mark.parametrize("way", ["stock", "direct"])
async def test_a_connection_is_left_when_it_has_rested_or_lived_too_long(
    monkeypatch: pytest.MonkeyPatch, way: str, limit: str | None, connections: int
) -> None:
    if limit:
        monkeypatch.setattr(f"exporter.dispatcher.{way}.{limit}", 0.05)
    script = Script(lambda *_: SHORT)
    async with raw_server(script) as server, opened(way, server.url) as exchange:
        await outcome(exchange)
        await asyncio.sleep(0.15)
        await outcome(exchange)
    assert script.connections == connections


async def test_a_connection_at_rest_is_closed_though_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.dispatcher.direct.KEEPALIVE", 0.05)
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SHORT)
        await reader.read()
        closed.set()

    async with raw_server(serve) as server, opened("direct", server.url) as exchange:
        await outcome(exchange)
        await asyncio.wait_for(closed.wait(), 20)


@pytest.mark.parametrize("said", [b"", OK + b"Content-Length: 9\r\n\r\n{"], ids=["silent", "within-the-body"])
async def test_a_cancelled_exchange_closes_its_connection(way: str, said: bytes) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        asked.set()
        with suppress(ConnectionError):
            await reader.read()
        closed.set()

    async with raw_server(serve) as server, opened(way, server.url, max_in_flight=1) as exchange:
        asking = asyncio.create_task(ask(exchange))
        await asked.wait()
        await asyncio.sleep(0.02)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(closed.wait(), 20)


async def test_an_answer_that_comes_before_the_request_is_sent_whole() -> None:
    answered = 0

    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        answered += 1
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.sleep(60)

    async with listening(eager) as port, opened("direct", f"http://127.0.0.1:{port}") as exchange:
        for _ in range(2):
            assert (await ask(exchange, b"x" * 20_000_000)).status == 413
    assert answered == 2  # the connection was not used again


# ---- time ------------------------------------------------------------------------------------------------------------


async def silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


def dripping(head: bytes, drop: bytes) -> Handler:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return drip


async def reset_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def reset_within_the_body(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 9\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.05)
    reset(writer)


async def half_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"\r\n{}")
    writer.write_eof()
    await reader.read()


async def half_close_in_silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write_eof()
    await reader.read()


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (silence, Reason.TIMEOUT),
        (dripping(OK + b"\r\n", b" "), Reason.TIMEOUT),
        (dripping(OK, b"X: y\r\n"), Reason.TIMEOUT),
        (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), Reason.TIMEOUT),
        (dripping(CHUNKED, b"1\r\n \r\n"), Reason.TIMEOUT),
        (reset_at_once, Reason.NETWORK),
        (reset_within_the_body, Reason.NETWORK),
        (half_close, (200, b"{}")),
        (half_close_in_silence, Reason.NETWORK),
    ],
    ids=["silent", "body", "head", "interim", "chunks", "reset", "reset-in-body", "half-closed", "half-closed-silent"],
)
async def test_slow_and_broken_connections(way: str, handler: Handler, expected: tuple[int, bytes] | Reason) -> None:
    seconds = 0.25 if expected is Reason.TIMEOUT else 20.0
    async with raw_server(handler) as server, opened(way, server.url, seconds=seconds) as exchange:
        assert await outcome(exchange) == expected


async def test_each_exchange_has_its_own_deadline() -> None:
    async with raw_server(silence) as server, opened("direct", server.url, seconds=0.3, max_in_flight=3) as exchange:
        started = asyncio.get_running_loop().time()

        async def ended(after: float) -> float:
            await asyncio.sleep(after)
            assert await outcome(exchange) is Reason.TIMEOUT
            return asyncio.get_running_loop().time() - started - after

        took = await asyncio.gather(*(ended(after) for after in (0.0, 0.1, 0.2)))
    assert min(took) >= 0.3 - 0.02


async def test_who_finds_no_free_connection_in_time(way: str) -> None:
    async with raw_server(silence) as server, opened(way, server.url, seconds=0.2, max_in_flight=1) as exchange:
        outcomes = await asyncio.gather(outcome(exchange), outcome(exchange))
    assert set(outcomes) == {Reason.TIMEOUT}


async def test_after_time_has_run_out_the_next_exchange_is_served(way: str) -> None:
    script = Script(lambda *_: SHORT)

    async def silent_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not script.connections:
            script.connections += 1
            await asyncio.sleep(60)
        await script(reader, writer)

    async with raw_server(silent_first) as server, opened(way, server.url, seconds=1.0, max_in_flight=1) as exchange:
        assert await outcome(exchange) is Reason.TIMEOUT
        assert await outcome(exchange) == (200, b"{}")


async def test_nobody_listens(way: str) -> None:
    with deaf_port() as port:
        async with opened(way, f"http://127.0.0.1:{port}") as exchange:
            assert await outcome(exchange) is Reason.CONNECT


@pytest.mark.parametrize("host", ["x" * 64, "a..b", "name.invalid"])
async def test_a_name_that_does_not_resolve(way: str, host: str) -> None:
    async with opened(way, f"http://{host}") as exchange:
        assert await outcome(exchange) is Reason.CONNECT


# ---- TLS -------------------------------------------------------------------------------------------------------------

# `openssl ca` alone takes a date in the past
CA = """
[ca]
default_ca = own
[own]
database = {path}.db
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = DNS:{host}
basicConstraints = critical, CA:TRUE
"""


def _make_certificate(path: Path, host: str, dates: tuple[str, ...]) -> None:
    """``path`` with ``.pem`` and ``.key``."""
    path.with_suffix(".conf").write_text(CA.format(path=path, folder=path.parent, host=host))
    path.with_suffix(".db").touch()
    key, pem, wanted = (str(path.with_suffix(end)) for end in (".key", ".pem", ".csr"))
    new = ("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={host}")
    signed = ("ca", "-selfsign", "-batch", "-notext", "-config", str(path.with_suffix(".conf")), *dates)
    for step in ((*new, "-keyout", key, "-out", wanted), (*signed, "-keyfile", key, "-in", wanted, "-out", pem)):
        subprocess.run([need_tool("openssl"), *step], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates for ``localhost``, good and expired, and for another name; each its own authority."""
    folder = tmp_path_factory.mktemp("pki")
    long_ago = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
    now = ("-startdate", "20200101000000Z", "-enddate", "20491231000000Z")
    for name, host, dates in (("good", "localhost", now), ("expired", "localhost", long_ago), ("other", "other", now)):
        _make_certificate(folder / name, host, dates)
    return folder


@asynccontextmanager
async def tls_server(pki: Path, name: str, handler: Handler) -> AsyncIterator[str]:
    """Where it listens."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / f"{name}.pem", pki / f"{name}.key")
    context.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await handler(reader, writer)

    async with listening(serve, context) as port:
        yield f"https://localhost:{port}"


def trusting(pki: Path, name: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pki / f"{name}.pem")


async def test_over_tls_a_connection_is_kept_and_speaks_http_1(way: str, pki: Path) -> None:
    script = Script(lambda *_: SHORT)
    async with (
        tls_server(pki, "good", script) as url,
        opened(way, url, context=trusting(pki, "good")) as exchange,
    ):
        for _ in range(3):
            assert await outcome(exchange) == (200, b"{}")
    assert script.connections == 1


@pytest.mark.parametrize(
    ("served", "trusted"),
    [("good", "other"), ("other", "other"), ("expired", "expired")],
    ids=["unknown", "name", "expired"],
)
async def test_a_certificate_that_does_not_hold(way: str, pki: Path, served: str, trusted: str) -> None:
    script = Script(lambda *_: SHORT)
    async with (
        tls_server(pki, served, script) as url,
        opened(way, url, context=trusting(pki, trusted)) as exchange,
    ):
        assert await outcome(exchange) is Reason.TLS
    assert script.connections == 0  # nothing was sent


async def test_a_long_answer_over_tls(way: str, pki: Path) -> None:
    answer = CHUNKED + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 40 + b"0\r\n\r\n"
    async with (
        tls_server(pki, "good", Script(lambda *_: answer)) as url,
        opened(way, url, context=trusting(pki, "good")) as exchange,
    ):
        assert await outcome(exchange) == (200, b"x" * 0x4000 * 40)


async def test_a_port_that_speaks_no_tls(way: str) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\nplain HTTP")
        writer.close()

    async with listening(plain) as port, opened(way, f"https://127.0.0.1:{port}") as exchange:
        assert await outcome(exchange) is Reason.TLS


async def test_a_server_that_hangs_up_within_the_handshake(way: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with listening(hang_up) as port, opened(way, f"https://127.0.0.1:{port}") as exchange:
        assert await outcome(exchange) is Reason.TLS


@pytest.mark.parametrize("way", ["direct", "direct-under-httpx"])  # httpx times out, too, and leaves its socket open
async def test_a_handshake_that_does_not_end(way: str) -> None:
    async with listening(silence) as port, opened(way, f"https://127.0.0.1:{port}", seconds=0.2) as exchange:
        assert await outcome(exchange) is Reason.TIMEOUT


# ---- ours as a transport of httpx ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url"), [("GET", "http://elsewhere/"), ("HEAD", "/"), ("CONNECT", "/"), ("GET", "https://{host}/")]
)
async def test_what_the_transport_does_not_do(method: str, url: str) -> None:
    async with raw_server(response(b"{}")) as server:
        transport = direct(server.url, timeout=1.0, max_in_flight=1, context=ssl.create_default_context())
        assert isinstance(transport, httpx.AsyncBaseTransport)
        async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
            with pytest.raises(httpx.UnsupportedProtocol):
                await client.request(method, url.format(host=f"127.0.0.1:{server.port}"))


@pytest.mark.parametrize("header", [("X", "a\r\nX-Evil: 1"), ("X\nY", "a")])
async def test_a_line_break_within_a_header_is_not_sent(header: tuple[str, str]) -> None:
    transport = direct("http://127.0.0.1:9", timeout=1.0, max_in_flight=1, context=ssl.create_default_context())
    assert isinstance(transport, httpx.AsyncBaseTransport)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9") as client:
        with pytest.raises(httpx.LocalProtocolError):
            await client.get("/", headers=[header])


async def test_the_transport_serves_what_httpx_asks() -> None:
    script = Script(lambda *_: response(b'{"a": 1}', headers=("X-Twice: 1", "X-Twice: 2")))
    async with raw_server(script) as server:
        transport = direct(server.url, timeout=1.0, max_in_flight=1, context=ssl.create_default_context())
        assert isinstance(transport, httpx.AsyncBaseTransport)
        async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
            answer = await client.get("/path", params={"q": "a b"})
            assert (answer.json(), answer.headers["x-twice"]) == ({"a": 1}, "1, 2")
            assert (answer.headers.get_list("x-twice"), answer.is_closed) == (["1", "2"], True)
    assert server.requests[0].startswith(b"GET /path?q=a+b HTTP/1.1\r\n")


@pytest.mark.parametrize("encoding", [(), ("Content-Encoding: gzip",)])
async def test_what_the_transport_returns_is_read_as_any_response(encoding: tuple[str, ...]) -> None:
    said = gzip.compress(b'{"a": 1}') if encoding else b'{"a": 1}'
    async with raw_server(Script(lambda *_: response(said, headers=encoding))) as server:
        transport = direct(server.url, timeout=1.0, max_in_flight=1, context=ssl.create_default_context())
        assert isinstance(transport, httpx.AsyncBaseTransport)
        async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
            async with client.stream("GET", "/") as answer:
                with pytest.raises(httpx.ResponseNotRead):
                    answer.content  # noqa: B018 - to ask is what raises
                assert await answer.aread() == await answer.aread() == answer.content == b'{"a": 1}'
            async with client.stream("GET", "/") as answer:
                assert b"".join([part async for part in answer.aiter_bytes()]) == b'{"a": 1}'
            with pytest.raises(httpx.StreamConsumed):
                _ = [part async for part in answer.aiter_raw()]


async def test_each_key_is_sent_with_its_own_requests() -> None:
    script = Script(lambda *_: SHORT)
    async with raw_server(script) as server, opened("direct", server.url) as exchange:
        for key in ("first", "second", "first"):
            await exchange.post("/", body=b"", headers={"Authorization": key})
        requests = [server.requests[0], *script.requests]
    assert [b"first" in request for request in requests] == [True, False, True]
    assert [b"second" in request for request in requests] == [False, True, False]
    assert "first" not in repr(exchange)
