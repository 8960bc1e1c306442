"""Streams against real sockets: what goes out, what is read of what comes, and every fault."""

import asyncio
import json
import socket
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from exporter.dispatcher.answer import Answer, DispatcherError, Drift, Quota, Reason
from exporter.dispatcher.client import DispatcherClient
from exporter.dispatcher.stream import read_stream, stream_path
from exporter.simulator.app import create_app
from exporter.simulator.batch import Batch
from exporter.simulator.simulator import Simulator
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Observation, Status
from tests.support.raw_server import Handler, raw_server, reset, response

KEY = "sk-byts-0123456789abcdef"
REF = TaskRef("default", task_id="task_1")
EVENTS = "Content-Type: text/event-stream"
EVENT_STREAM = {"Content-Type": "text/event-stream"}
HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
RUNNING = Answer(Observation(Status.RUNNING, "task_1"))
COMPLETED = Observation(Status.COMPLETED, "task_1", credits_used=1.5)
OTHER = b'data: {"task_id": "task_2", "status": "completed"}\n\n'


def record(status: str = "running", **more: object) -> bytes:
    return b"data: " + json.dumps({"task_id": "task_1", "status": status, **more}).encode() + b"\n\n"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def new_client(base_url: str, *, key: str | None = KEY, timeout: float = 5.0, silence: float = 5.0) -> DispatcherClient:
    return DispatcherClient(
        base_url, key=lambda: key, timeout=timeout, max_in_flight=2, wall=time.time, silence_limit=silence
    )


async def each(source: AsyncIterator[Answer], take: Callable[[Answer], None]) -> None:
    async for answer in source:
        take(answer)


async def hear(client: DispatcherClient, ref: TaskRef = REF) -> tuple[list[Answer], Quota, DispatcherError | None]:
    """What one stream brings, and how it ends; however that is shown, the key is not in it."""
    answers: list[Answer] = []
    quota = Quota()
    try:
        async with client.stream(ref) as stream:
            quota = stream.quota
            await each(stream.answers, answers.append)
    except DispatcherError as error:
        shown = [*traceback.format_exception(error), repr(error), repr(vars(error))]
        assert KEY not in "".join(shown) + repr(answers)
        return answers, error.quota, error
    finally:
        await client.aclose()
    assert KEY not in repr(answers)
    return answers, quota, None


async def test_what_is_sent() -> None:
    async with raw_server(HEAD + record()) as server:
        await hear(new_client(server.url + "/"), TaskRef("default", "task/1 ?", "mine"))
    head = server.requests[0].decode()
    lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert lines[0] == "GET /v1/tasks/stream/task%2F1%20%3F HTTP/1.1"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["accept"] == "text/event-stream"
    assert headers["accept-encoding"] == "identity"


def test_there_is_no_path_without_a_task_id() -> None:
    with pytest.raises(ValueError, match="task_id"):
        stream_path(TaskRef("default", None, "mine"))


@pytest.mark.parametrize("task_id", ["..", ".", "../../v1/keys", "%2e%2e/query"])
def test_there_is_no_path_for_a_task_id_that_leads_to_another(task_id: str) -> None:
    with pytest.raises(ValueError, match="another path"):
        stream_path(TaskRef("default", task_id))


async def test_the_money_headers_come_with_the_stream() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nX-Quota-Remaining-Credits: 7\r\n\r\n")
    async with raw_server(head + record()) as server:
        answers, quota, _ = await hear(new_client(server.url))
    assert (answers, quota) == ([RUNNING], Quota(remaining_credits=7.0))


@pytest.mark.parametrize(
    ("events", "answers"),
    [
        (b"", []),
        (record() + record("completed", credits_used=1.5, output=[]), [RUNNING, Answer(COMPLETED)]),
        (b": hello\n\nretry: 5\nid: 7\nevent: whatever\n" + record() + b":\n\n", [RUNNING]),
        (record().replace(b"\n", b"\r\n"), [RUNNING]),
        (record().replace(b"\n", b"\r"), [RUNNING]),
        (record().replace(b"data: {", b"data: {\ndata: "), [RUNNING]),
        (b'data: {"type": "ping"}\n\n' + record(), [RUNNING]),
        (b"event: end\ndata:\n\n" + record(), [RUNNING]),
        (record() + record("completed")[:-1], [RUNNING]),
        (record() + b"data: {", [RUNNING]),
        (record("queued"), [Answer(Observation(Status.PENDING, "task_1"), (Drift.LEGACY_SHAPE,))]),
        (record("paused"), [Answer(Observation(Status.UNKNOWN, "task_1"), (Drift.UNKNOWN_STATUS,))]),
        (record(estimated_seconds=True), [Answer(Observation(Status.RUNNING, "task_1"), (Drift.MISTYPED_FIELD,))]),
        (
            record(out_task_id="a\N{LINE SEPARATOR}b\x85".encode().decode()).replace(b"\\u2028", "\u2028".encode()),
            [Answer(Observation(Status.RUNNING, "task_1"), (Drift.MISTYPED_FIELD,))],
        ),
    ],
    ids=[
        *("nothing", "two", "dressed-up", "crlf", "cr", "many-lines", "other-event", "no-data", "cut-before-its-end"),
        *("cut-within", "legacy", "unknown-status", "mistyped", "no-line-ends-to-sse"),
    ],
)
async def test_what_is_read(events: bytes, answers: list[Answer]) -> None:
    async with raw_server(HEAD + events) as server:
        assert await hear(new_client(server.url)) == (answers, Quota(), None)


HUGE = b"data: " + b"x" * (1024 * 1024)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (b"data: [DONE]\n\n", Reason.BAD_RESPONSE),
        (b"data: 7\n\n", Reason.BAD_RESPONSE),
        (b'data: [{"task_id": "task_1"}]\n\n', Reason.BAD_RESPONSE),
        (b"data: " + b"[" * 100_000 + b"\n\n", Reason.BAD_RESPONSE),
        (b"data: \xff\xfe\n\n", Reason.BAD_RESPONSE),
        (b'data: {"error": {"code": "internal"}}\n\n', Reason.BAD_RESPONSE),
        (b'data: {"task_id": "task_1"}\n\n', Reason.BAD_RESPONSE),
        (b'data: {"status": "completed"}\n\n', Reason.BAD_RESPONSE),
        (b'data: {"task_id": "task_1", "status": 7}\n\n', Reason.BAD_RESPONSE),
        (OTHER, Reason.BAD_RESPONSE),
        (HUGE, Reason.TOO_LARGE),
        (b": " * (1024 * 1024), Reason.TOO_LARGE),
    ],
    ids=[
        *("not-json", "scalar", "list", "deep", "not-utf8", "error", "no-status", "no-task-id", "odd-status"),
        *("other-task", "huge-line", "endless-comment"),
    ],
)
async def test_what_could_have_been_meant_as_a_record_is_not_passed_over(events: bytes, reason: Reason) -> None:
    async with raw_server(HEAD + record() + events + record("completed")) as server:
        answers, _, error = await hear(new_client(server.url))
    assert error is not None
    assert (answers, error.reason, error.status) == ([RUNNING], reason, None)


NOT_FOUND = b'{"error": {"type": "not_found_error", "code": "task_not_found"}}'
NO_ROUTE = b'{"error": {"type": "not_found_error", "code": "not_found"}}'
BUSY = b'{"error": {"type": "rate_limit_error", "code": "concurrency_limit"}}'


@pytest.mark.parametrize(
    ("answer", "reason", "status"),
    [
        (b"", Reason.NETWORK, None),
        (response(b"<html>hello</html>", headers=("Content-Type: text/html",)), Reason.BAD_RESPONSE, None),
        (response(record()), Reason.BAD_RESPONSE, None),
        (response(record(), headers=(EVENTS, "Content-Encoding: gzip")), Reason.BAD_RESPONSE, None),
        (HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 99\r\n\r\n") + b": hi\n", Reason.TRUNCATED, None),
        (response(status="204 No Content"), Reason.BAD_RESPONSE, 204),
        (response(status="302 Found", headers=("Location: http://127.0.0.1:9/",)), Reason.REDIRECT, 302),
        (response(b"<html>", status="401 Unauthorized"), Reason.INVALID_API_KEY, 401),
        (response(status="402 Payment Required"), Reason.PAYMENT, 402),
        (response(status="403 Forbidden"), Reason.FORBIDDEN, 403),
        (response(NO_ROUTE, status="404 Not Found"), Reason.BAD_ROUTE, 404),
        (response(b"<html>", status="404 Not Found"), Reason.BAD_RESPONSE, 404),
        (response(BUSY, status="429 Too Many Requests"), Reason.CONCURRENCY, 429),
        (response(status="501 Not Implemented"), Reason.SERVER, 501),
        (response(b"x" * 2_000_000, status="503 Service Unavailable"), Reason.SERVER, 503),
    ],
    ids=[
        *("closed", "html", "no-type", "gzip", "truncated", "204", "redirect", "401", "402", "403", "no-route"),
        *("html-404", "concurrency", "501", "large-503"),
    ],
)
async def test_what_is_no_stream(answer: bytes, reason: Reason, status: int | None) -> None:
    async with raw_server(answer) as server:
        answers, _, error = await hear(new_client(server.url))
    assert error is not None
    assert (answers, error.reason, error.status) == ([], reason, status)
    assert len(server.requests) == 1


async def test_a_refusal_carries_its_money_headers_and_its_wait() -> None:
    headers = ("X-Quota-Remaining-Credits: 0.00", "Retry-After: 9")
    async with raw_server(response(BUSY, status="429 Too Many Requests", headers=headers)) as server:
        _, quota, error = await hear(new_client(server.url))
    assert error is not None
    assert (error.retry_after, quota) == (9.0, Quota(remaining_credits=0.0))


async def test_a_task_that_is_not_known_is_the_only_answer() -> None:
    async with raw_server(response(NOT_FOUND, status="404 Not Found")) as server:
        assert await hear(new_client(server.url)) == ([Answer(None)], Quota(), None)


async def test_a_record_that_quotes_the_key_is_read_without_it() -> None:
    async with raw_server(HEAD + record("failed", error_code=KEY, error_message=f"key {KEY}")) as server:
        (answer,), _, _ = await hear(new_client(server.url))
    assert answer.observation is not None
    assert answer.observation.error_message == "key ***"


@pytest.mark.parametrize("key", [None, f"{KEY}\n"])
async def test_a_key_that_cannot_be_sent_is_not_sent(key: str | None) -> None:
    async with raw_server(b"") as server:
        _, _, error = await hear(new_client(server.url, key=key))
    assert error is not None
    assert (error.reason, server.requests) == (Reason.INVALID_API_KEY, [])


async def no_answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + record())
    await writer.drain()
    await asyncio.sleep(60)


async def slow_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in HEAD:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def reset_in_an_event(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + record() + b"data: {")
    await writer.drain()
    await asyncio.sleep(0.05)
    reset(writer)


@pytest.mark.parametrize(
    ("handler", "heard", "reason", "patience", "silent"),
    [
        (no_answer, 0, Reason.TIMEOUT, 0.3, 20.0),
        (slow_headers, 0, Reason.TIMEOUT, 0.3, 20.0),
        (silence, 1, Reason.TIMEOUT, 20.0, 0.3),
        (reset_in_an_event, 1, Reason.NETWORK, 20.0, 20.0),
    ],
)
async def test_slow_and_broken_connections(
    handler: Handler, heard: int, reason: Reason, patience: float, silent: float
) -> None:
    async with raw_server(handler) as server:
        answers, _, error = await hear(new_client(server.url, timeout=patience, silence=silent))
    assert error is not None
    assert (len(answers), error.reason) == (heard, reason)


async def test_a_slow_drip_is_heard_out() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for byte in b": still here\n\n" + record():
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(drip) as server:
        assert await hear(new_client(server.url, timeout=1.0, silence=1.0)) == ([RUNNING], Quota(), None)


async def test_closing_waits_for_a_stream_and_a_stream_that_is_left_is_closed() -> None:
    gone = asyncio.Event()

    async def until_it_leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + record())
        await reader.read()
        gone.set()

    async with raw_server(until_it_leaves) as server:
        client = new_client(server.url)
        async with client.stream(REF) as stream:
            assert await anext(stream.answers) == RUNNING
            closing = asyncio.create_task(client.aclose())
            await asyncio.sleep(0.01)
            assert not closing.done()
        await closing
        await asyncio.wait_for(gone.wait(), 20)


def in_pieces(events: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, *(cut % (len(events) + 1) for cut in cuts), len(events)})
    return [events[start:end] for start, end in pairwise(places)]


@given(cuts=st.lists(st.integers(0, 10_000), max_size=20), eol=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int], eol: bytes) -> None:
    events = (b": hi\n\nevent: status\n" + record(out_task_id="größe") + record()).replace(b"\n", eol)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in in_pieces(events, cuts):
            yield piece

    async def read() -> list[Answer]:
        return [answer async for answer in read_stream(EVENT_STREAM, pieces(), asked=REF, key=KEY)]

    assert asyncio.run(read()) == [Answer(Observation(Status.RUNNING, "task_1", "größe")), RUNNING]


@given(junk=st.binary(max_size=300))
def test_no_bytes_bring_anything_but_answers_and_dispatcher_errors(junk: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield record() + junk

    async def read() -> list[Answer]:
        answers: list[Answer] = []
        with suppress(DispatcherError):
            await each(read_stream(EVENT_STREAM, pieces(), asked=REF, key=KEY), answers.append)
        return answers

    assert asyncio.run(read())[0] == RUNNING


@asynccontextmanager
async def simulated() -> AsyncIterator[tuple[Simulator, str]]:
    """The simulator on a socket."""
    simulator = Simulator()
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it takes connections from now on, and answers them soon
        server = uvicorn.Server(uvicorn.Config(create_app(simulator), log_config=None, timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield simulator, f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.mark.slow
async def test_the_simulators_streams_are_read_to_their_end() -> None:
    async with simulated() as (simulator, url):
        [task] = simulator.submit_many(Batch(count=1, latency_seconds=2.0))
        answers, _, error = await hear(new_client(url, key="sk-byts-demo"), TaskRef("default", task.task_id))
        unknown, _, _ = await hear(new_client(url, key="sk-byts-second"), TaskRef("default", task.task_id))
    assert error is None
    statuses = [answer.observation and answer.observation.status for answer in answers]
    assert statuses[-2:] == [Status.RUNNING, Status.COMPLETED]
    assert len(set(statuses)) == len(statuses)
    assert not any(answer.drift for answer in answers)
    assert unknown == [Answer(None)]
