"""The client against real sockets: what goes out, and every fault that may come back."""

import asyncio
import gzip
import json
import time
import traceback
from collections.abc import Callable

import httpx
import pytest

from exporter.dispatcher.answer import Answer, DispatcherError, Quota, Reason
from exporter.dispatcher.client import DispatcherClient, Reply
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Observation, Status
from tests.support.ports import deaf_port
from tests.support.raw_server import Handler, raw_server, reset, response

KEY = "sk-byts-0123456789abcdef"
REF = TaskRef("default", task_id="task_01HQX9F2P6Y8VEX3CRZ8GXJVD9")
RECORD = {"task_id": REF.task_id, "status": "running"}
BODY = json.dumps(RECORD).encode()
RUNNING = Answer(Observation(Status.RUNNING, REF.task_id))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def new_client(
    base_url: str,
    *,
    key: str | None = KEY,
    timeout: float = 5.0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> DispatcherClient:
    return DispatcherClient(
        base_url, key=lambda: key, timeout=timeout, max_in_flight=2, wall=time.time, transport=transport
    )


async def ask(client: DispatcherClient) -> Reply:
    try:
        return await client.query(REF)
    finally:
        await client.aclose()


async def fault(client: DispatcherClient) -> DispatcherError:
    """The error of one query; however it is shown, the key is not in it."""
    with pytest.raises(DispatcherError) as caught:
        await ask(client)
    shown = [*traceback.format_exception(caught.value), repr(caught.value), repr(vars(caught.value)), repr(client)]
    assert KEY not in "".join(shown)
    return caught.value


async def test_what_is_sent() -> None:
    async with raw_server(response(BODY)) as server:
        assert await ask(new_client(server.url + "/")) == Reply(RUNNING, Quota())
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert lines[0] == "POST /v1/tasks/query HTTP/1.1"
    assert json.loads(body) == {"task_id": REF.task_id}
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("bytespike-exporter/")


async def test_a_success_carries_the_money_headers() -> None:
    async with raw_server(response(BODY, headers=("X-Quota-Remaining-Credits: 192.40",))) as server:
        assert (await ask(new_client(server.url))).quota == Quota(remaining_credits=192.40)


async def test_a_failure_carries_the_money_headers_too() -> None:
    headers = ("X-RateLimit-Remaining: 0.00", "Retry-After: 9")
    async with raw_server(response(b"", status="429 Too Many Requests", headers=headers)) as server:
        error = await fault(new_client(server.url))
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMITED, 9.0)
    assert error.quota == Quota(rate_limit_remaining_usd=0.0)


async def test_a_task_that_is_not_known_is_an_answer() -> None:
    body = b'{"error": {"type": "invalid_request_error", "code": "task_not_found"}}'
    async with raw_server(response(body, status="404 Not Found")) as server:
        assert (await ask(new_client(server.url))).answer == Answer(None)


async def test_a_gzip_body_is_read_though_none_was_asked_for() -> None:
    async with raw_server(response(gzip.compress(BODY), headers=("Content-Encoding: gzip",))) as server:
        assert (await ask(new_client(server.url))).answer == RUNNING


async def test_a_chunked_body_is_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    async with raw_server(chunked) as server:
        assert (await ask(new_client(server.url))).answer == RUNNING


BIG = b" " * (1024 * 1024 + 1)
HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", Reason.NETWORK),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.NETWORK),
        (HEAD + b"Content-Length: 100\r\n\r\n{", Reason.TRUNCATED),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{", Reason.TRUNCATED),
        (response(gzip.compress(BODY)[:-4], headers=("Content-Encoding: gzip",)), Reason.TRUNCATED),
        (response(BIG), Reason.TOO_LARGE),
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", Reason.TOO_LARGE),
        (HEAD + b"Content-Length: 9999999999999\r\n\r\n", Reason.TOO_LARGE),
        (HEAD + b"\r\n" + BIG, Reason.TOO_LARGE),
        (response(gzip.compress(BIG * 100), headers=("Content-Encoding: gzip",)), Reason.TOO_LARGE),
        (response(BODY, headers=("Content-Encoding: br",)), Reason.BAD_RESPONSE),
        (response(b"<html>hello</html>"), Reason.BAD_RESPONSE),
        (response(b""), Reason.BAD_RESPONSE),
        (response(b"[]"), Reason.BAD_RESPONSE),
        (response(b"[" * 500_000), Reason.BAD_RESPONSE),
        (response(b'{"task_id": "task_other", "status": "completed"}'), Reason.BAD_RESPONSE),
        (response(status="302 Found", headers=("Location: http://127.0.0.1:9/",)), Reason.REDIRECT),
        (response(BIG, status="502 Bad Gateway"), Reason.SERVER),
        (response(b"x", status="503 Unavailable", headers=("Content-Encoding: gzip",)), Reason.SERVER),
        (response(b"<html>", status="404 Not Found"), Reason.BAD_RESPONSE),
        (response(b"<html>", status="401 Unauthorized"), Reason.INVALID_API_KEY),
    ],
    ids=[
        *("closed", "not-http", "cut", "cut-chunk", "cut-gzip", "large", "absurd-length", "announced", "unannounced"),
        *("gzip-bomb", "brotli", "html", "empty", "list", "deep", "other-task", "redirect", "large-error"),
        *("bad-gzip-error", "html-404", "html-401"),
    ],
)
async def test_each_fault_has_its_name(answer: bytes, reason: Reason) -> None:
    async with raw_server(answer) as server:
        error = await fault(new_client(server.url))
    assert error.reason is reason
    assert len(server.requests) == 1


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: each read is in time, the whole never is."""
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def reset_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def reset_within_the_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.05)
    reset(writer)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (drip, Reason.TIMEOUT),
        (silence, Reason.TIMEOUT),
        (reset_at_once, Reason.NETWORK),
        (reset_within_the_body, Reason.NETWORK),
    ],
)
async def test_slow_and_broken_connections(handler: Handler, reason: Reason) -> None:
    timeout = 0.2 if reason is Reason.TIMEOUT else 20.0
    async with raw_server(handler) as server:
        assert (await fault(new_client(server.url, timeout=timeout))).reason is reason


async def test_nobody_listens() -> None:
    with deaf_port() as port:
        assert (await fault(new_client(f"http://127.0.0.1:{port}"))).reason is Reason.CONNECT


async def test_a_name_that_does_not_resolve() -> None:
    too_long_for_any_resolver = "x" * 64
    assert (await fault(new_client(f"http://{too_long_for_any_resolver}"))).reason is Reason.CONNECT


async def test_tls_to_a_port_that_speaks_none() -> None:
    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(response(b"this is plain HTTP", status="400 Bad Request"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(no_tls, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await fault(new_client(f"https://127.0.0.1:{port}"))
    assert error.reason is Reason.TLS


@pytest.mark.parametrize("base_url", ["ftp://example.com", "example.com", "http://x:y", "http://[::1"])
async def test_a_base_url_that_is_no_address(base_url: str) -> None:
    assert (await fault(new_client(base_url))).reason is Reason.BAD_ROUTE


@pytest.mark.parametrize("key", [None, "", f"{KEY}\nX-Evil: 1", f"{KEY} ", f"{KEY}é", f"{KEY}\x00"])
async def test_a_key_that_cannot_be_sent_is_not_sent_and_not_shown(key: str | None) -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    error = await fault(new_client("http://api", key=key, transport=httpx.MockTransport(unreachable)))
    assert error.reason is Reason.INVALID_API_KEY


def raising(error: Exception) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(handle)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectTimeout(KEY), Reason.TIMEOUT),
        (httpx.ReadTimeout(KEY), Reason.TIMEOUT),
        (httpx.WriteTimeout(KEY), Reason.TIMEOUT),
        (httpx.PoolTimeout(KEY), Reason.TIMEOUT),
        (TimeoutError(KEY), Reason.TIMEOUT),
        (httpx.ConnectError(KEY), Reason.CONNECT),
        (httpx.ProxyError(KEY), Reason.CONNECT),
        (httpx.WriteError(KEY), Reason.NETWORK),
        (httpx.LocalProtocolError(KEY), Reason.NETWORK),
        (httpx.DecodingError(KEY), Reason.BAD_RESPONSE),
        (ValueError(KEY), Reason.INTERNAL),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_foreign_errors_are_named_and_their_texts_left_behind(error: Exception, reason: Reason) -> None:
    assert (await fault(new_client("http://api", transport=raising(error)))).reason is reason


def answering(status: int, document: object) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, json=document))


@pytest.mark.parametrize("status", [400, 401, 403, 500])
async def test_an_error_that_quotes_the_key_is_read_without_it(status: int) -> None:
    document = {"error": {"message": f"bad key {KEY}", "type": KEY, "code": KEY}}
    await fault(new_client("http://api", transport=answering(status, document)))


async def test_a_record_that_quotes_the_key_is_read_without_it() -> None:
    record = {**RECORD, "status": "failed", "error_code": KEY, "error_message": f"key {KEY}", "out_task_id": KEY}
    reply = await ask(new_client("http://api", transport=answering(200, record)))
    assert KEY not in repr(reply)
    assert reply.answer.observation is not None
    assert reply.answer.observation.error_message == "key ***"


async def test_a_transport_that_holds_the_whole_body_is_bounded_as_well() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=BIG))
    assert (await fault(new_client("http://api", transport=transport))).reason is Reason.TOO_LARGE


async def test_connections_are_kept() -> None:
    accepted = 0

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        for _ in range(2):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
            await reader.readuntil(b"}")

    async with raw_server(twice) as server:
        client = new_client(server.url)
        await client.query(REF)
        await ask(client)
    assert accepted == 1


async def test_closing_lets_a_request_end_first() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def handle(request: httpx.Request) -> httpx.Response:
        arrived.set()
        await go.wait()
        return httpx.Response(200, json=RECORD)

    client = new_client("http://api", transport=httpx.MockTransport(handle))
    asking = asyncio.create_task(client.query(REF))
    await arrived.wait()
    closing = asyncio.create_task(client.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    go.set()
    assert (await asking).answer == RUNNING
    await closing


async def test_a_cancelled_query_is_not_turned_into_a_failure() -> None:
    arrived = asyncio.Event()

    async def handle(request: httpx.Request) -> httpx.Response:
        arrived.set()
        await asyncio.sleep(60)
        raise AssertionError("cancelled before")

    client = new_client("http://api", transport=httpx.MockTransport(handle))
    asking = asyncio.create_task(client.query(REF))
    await arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await client.aclose()


@pytest.mark.parametrize("wall", [lambda: 1000.0])
async def test_waits_are_counted_from_the_wall_clock_without_a_date(wall: Callable[[], float]) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(402, headers={"X-RateLimit-Reset": "1060"}))
    client = DispatcherClient(
        "http://api", key=lambda: KEY, timeout=5.0, max_in_flight=1, wall=wall, transport=transport
    )
    assert (await fault(client)).reset_after == 60.0
