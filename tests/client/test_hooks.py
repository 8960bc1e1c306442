"""The hooks in real clients: each submission is told of, and the application's own reading stays as it was."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
import requests

from exporter.client import Counts, Reporter
from exporter.client.submission import MOST_ANSWERED
from tests.support.raw_server import RawServer, raw_server, response
from tests.support.registering import Registering, registering

SUBMIT = "/v1/tasks/submit"
ASKED = {"model": "sora-2-pro", "params": {"prompt": "a calm sea"}}
RECORD = json.dumps({"task_id": "task_1", "status": "pending", "estimated_seconds": 35}).encode()
JSON = "Content-Type: application/json"
TASK = {"task_ids": ["task_1"], "model": "sora-2-pro"}


@pytest.fixture
def exporter() -> Iterator[Registering]:
    with registering() as server:
        yield server


@pytest.fixture
def reporter(exporter: Registering) -> Iterator[Reporter]:
    made = Reporter(exporter.url)
    yield made
    made.close()


@pytest.fixture
async def api() -> AsyncIterator[RawServer]:
    async with raw_server(response(RECORD, headers=(JSON,))) as server:
        yield server


def told(reporter: Reporter, exporter: Registering) -> list[dict[str, object]]:
    """What has come to the exporter, without the time."""
    assert reporter.flush(30)
    items = [item for items in exporter.requests for item in items]
    assert all(item.pop("submitted_at") for item in items)
    return items


def client(reporter: Reporter, answer: httpx.Response | Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    transport = httpx.MockTransport(answer if callable(answer) else lambda _: answer)
    return httpx.Client(transport=transport, base_url="http://api", event_hooks={"response": [reporter.on_response]})


class Streamed(httpx.SyncByteStream):
    """A body that comes from a network, piece by piece."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        self.closed += 1


def streamed(*pieces: bytes | Exception, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, headers={"content-type": "application/json", **named}, stream=Streamed(*pieces))


# ---- real clients over real sockets ----------------------------------------------------------------------------------


async def test_httpx_async(reporter: Reporter, exporter: Registering, api: RawServer) -> None:
    async with httpx.AsyncClient(event_hooks={"response": [reporter.on_async_response]}) as application:
        answer = await application.post(api.url + SUBMIT, json=ASKED)
        assert answer.content == RECORD
        async with application.stream("POST", api.url + SUBMIT, json=ASKED) as answer:
            assert b"".join([piece async for piece in answer.aiter_raw()]) == RECORD
    assert told(reporter, exporter) == [TASK, TASK]


async def test_httpx_and_requests(reporter: Reporter, exporter: Registering, api: RawServer) -> None:
    def work() -> None:
        with httpx.Client(event_hooks={"response": [reporter.on_response]}) as application:
            assert application.post(api.url + SUBMIT, json=ASKED).content == RECORD
            with application.stream("POST", api.url + SUBMIT, json=ASKED) as answer:
                assert b"".join(answer.iter_raw()) == RECORD
        with requests.Session() as session:
            session.hooks["response"].append(reporter.on_requests_response)
            assert session.post(api.url + SUBMIT, json=ASKED, timeout=30).content == RECORD
            session.post(api.url + "/v1/tasks/query", json={"task_id": "task_1"}, timeout=30)

    await asyncio.to_thread(work)
    assert await asyncio.to_thread(told, reporter, exporter) == [TASK] * 3


async def test_requests_keeps_a_stream_to_the_application(reporter: Reporter, api: RawServer) -> None:
    def work() -> None:
        with requests.Session() as session:
            session.hooks["response"].append(reporter.on_requests_response)
            with session.post(api.url + SUBMIT, json=ASKED, stream=True, timeout=30) as answer:
                assert answer.raw.read() == RECORD

    await asyncio.to_thread(work)
    assert reporter.counts == Counts(unread=1)


async def test_what_requests_would_raise_it_still_raises(reporter: Reporter) -> None:
    half = response(RECORD, headers=(JSON,))[:-5]

    async with raw_server(half) as api:

        def work() -> None:
            with requests.Session() as session:
                session.hooks["response"].append(reporter.on_requests_response)
                with pytest.raises(requests.exceptions.ChunkedEncodingError):
                    session.post(api.url + SUBMIT, json=ASKED, timeout=30)

        await asyncio.to_thread(work)


# ---- bodies of every kind --------------------------------------------------------------------------------------------


def test_nothing_is_read_before_the_application_reads_it(reporter: Reporter, exporter: Registering) -> None:
    pieces = [RECORD[:5], RECORD[5:9], RECORD[9:]]
    with client(reporter, streamed(*pieces)).stream("POST", SUBMIT, json=ASKED) as answer:
        assert not answer.is_stream_consumed
        assert list(answer.iter_raw()) == pieces
    assert told(reporter, exporter) == [TASK]


def test_a_compressed_answer_is_understood_and_passes_as_it_is(reporter: Reporter, exporter: Registering) -> None:
    packed = gzip.compress(RECORD)
    with client(reporter, streamed(packed, content_encoding="gzip")).stream("POST", SUBMIT, json=ASKED) as answer:
        assert b"".join(answer.iter_raw()) == packed
    assert client(reporter, streamed(packed, content_encoding="gzip")).post(SUBMIT, json=ASKED).content == RECORD
    assert told(reporter, exporter) == [TASK, TASK]


def test_an_answer_that_another_hook_has_read_is_told_of(reporter: Reporter, exporter: Registering) -> None:
    application = client(reporter, streamed(RECORD))
    application.event_hooks = {"response": [lambda answer: answer.read() and None, reporter.on_response]}
    assert application.post(SUBMIT, json=ASKED).json()["task_id"] == "task_1"
    assert told(reporter, exporter) == [TASK]


def test_another_hook_may_read_it_later(reporter: Reporter, exporter: Registering) -> None:
    application = client(reporter, streamed(RECORD))
    application.event_hooks = {"response": [reporter.on_response, lambda answer: answer.read() and None]}
    assert application.post(SUBMIT, json=ASKED).json()["task_id"] == "task_1"
    assert told(reporter, exporter) == [TASK]


def test_a_streamed_request_tells_no_model(reporter: Reporter, exporter: Registering) -> None:
    class Transport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return streamed(RECORD)

    application = httpx.Client(transport=Transport(), event_hooks={"response": [reporter.on_response]})
    application.post(f"http://api{SUBMIT}", content=iter([json.dumps(ASKED).encode()]))
    assert told(reporter, exporter) == [{"task_ids": ["task_1"]}]


def test_an_answer_that_breaks_off_breaks_off_for_the_application_too(reporter: Reporter) -> None:
    broken = streamed(RECORD[:9], httpx.ReadError("gone"))
    with pytest.raises(httpx.ReadError, match="gone"):
        client(reporter, broken).post(SUBMIT, json=ASKED)
    assert reporter.counts == Counts(unread=1)


def test_an_answer_that_is_left_half_read_is_counted(reporter: Reporter) -> None:
    body = Streamed(RECORD[:9], RECORD[9:])
    half = httpx.Response(200, headers={"content-type": "application/json"}, stream=body)
    with client(reporter, half).stream("POST", SUBMIT, json=ASKED) as answer:
        next(answer.iter_raw())
    assert reporter.counts == Counts(unread=1)
    assert body.closed == 1


def test_an_endless_answer_is_not_kept(reporter: Reporter) -> None:
    many = [b"x" * 1024] * (MOST_ANSWERED // 1024 + 100)
    assert len(client(reporter, streamed(*many)).post(SUBMIT, json=ASKED).content) == len(many) * 1024
    assert reporter.counts == Counts(unread=1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: streamed(b"no JSON"),
        lambda: streamed(b"not gzip", content_encoding="gzip"),
        lambda: streamed(b"{}"),
        lambda: streamed(b""),
    ],
)
def test_what_is_not_understood_is_counted(reporter: Reporter, answer: Callable[[], httpx.Response]) -> None:
    with client(reporter, answer()).stream("POST", SUBMIT, json=ASKED) as passed:
        list(passed.iter_raw())
    assert reporter.counts == Counts(unread=1)


@pytest.mark.parametrize(
    ("method", "path", "status", "content_type"),
    [
        ("POST", "/v1/tasks/query", 200, "application/json"),
        ("GET", SUBMIT, 200, "application/json"),
        ("POST", SUBMIT, 402, "application/json"),
        ("POST", SUBMIT, 307, "application/json"),
        ("POST", SUBMIT, 200, "text/event-stream"),
    ],
)
def test_all_else_is_left_alone(reporter: Reporter, method: str, path: str, status: int, content_type: str) -> None:
    body = Streamed(RECORD)
    answer = httpx.Response(status, headers={"content-type": content_type}, stream=body)
    before = answer.stream
    reporter.on_response(httpx.Response(status, request=httpx.Request(method, "http://api" + path), stream=body))
    with client(reporter, answer).stream(method, path) as passed:
        assert list(passed.iter_raw()) == [RECORD]
    assert before is body
    assert reporter.counts == Counts()


def test_a_broken_reporter_is_not_the_applications_trouble(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("exporter.client.reporter.read", broken)
    assert client(reporter, streamed(RECORD)).post(SUBMIT, json=ASKED).content == RECORD
    monkeypatch.setattr("exporter.client.reporter.may_submit", broken)
    assert client(reporter, streamed(RECORD)).post(SUBMIT, json=ASKED).content == RECORD
    assert reporter.counts == Counts(unread=2)
