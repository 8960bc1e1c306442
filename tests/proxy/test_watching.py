"""What the sidecar makes of each exchange: whose it is, what is learnt, what is counted."""

import json
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.dispatcher.answer import Answer, DispatcherError
from exporter.errors import ExporterError
from exporter.metrics.families.proxy import UpstreamFault
from exporter.proxy.exchange import Copy, Exchange
from exporter.proxy.framing import Counted
from exporter.proxy.head import RequestHead, ResponseHead
from exporter.proxy.reaching import Upstream
from exporter.proxy.watching import TrafficWatcher, key_of
from exporter.summed import SummedLog
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from tests.support.fake_clock import FakeClock

KEY = "sk-byts-0123456789"
PENDING = {"task_id": "task_1", "out_task_id": "mine", "status": "pending", "estimated_seconds": 35}
NOT_FOUND = {"error": {"type": "not_found_error", "code": "task_not_found"}}
ONE = TaskRef("default", "task_1")


@dataclass
class Exporter:
    """Follows what it is told to, and notes everything."""

    fault: ExporterError | None = None
    followed: set[TaskRef] = field(default_factory=set)
    registered: list[Registration] = field(default_factory=list)
    answers: list[tuple[TaskRef, Answer, bool]] = field(default_factory=list)
    submissions: list[TaskRef] = field(default_factory=list)
    gave_way: list[str] = field(default_factory=list)
    counted: list[tuple[object, ...]] = field(default_factory=list)

    def owner(self, key: str) -> str | None:
        return "default" if key == KEY else None

    def upstream(self, account: str | None) -> Upstream:
        return Upstream(account or "first", 443, None, b"h")

    def group_of(self, account: str, model: str) -> str | None:
        return "renders" if account == "default" and model != "unwanted" else None

    def is_followed(self, ref: TaskRef) -> bool:
        return ref in self.followed

    async def register(self, registration: Registration) -> None:
        if self.fault:
            raise self.fault
        self.registered.append(registration)

    def answer(self, ref: TaskRef, answer: Answer, *, is_query: bool) -> None:
        self.answers.append((ref, answer, is_query))

    def make_way(self, account: str, error: DispatcherError) -> None:
        self.gave_way.append(account)

    def proxied(self, account: str, endpoint: str, code: str, *, seconds: float) -> None:
        self.counted.append(("proxied", account, str(endpoint), code))

    def submitted(self, ref: TaskRef) -> None:
        self.submissions.append(ref)

    def upstream_failed(self, account: str, fault: UpstreamFault) -> None:
        self.counted.append(("upstream_failed", account, str(fault)))

    def submission_failed(self, account: str, error_code: str) -> None:
        self.counted.append(("submission_failed", account, error_code))

    def learnt(self, account: str, group: str) -> None:
        self.counted.append(("learnt", account, group))

    def not_understood(self, endpoint: str) -> None:
        self.counted.append(("not_understood", str(endpoint)))

    @property
    def news(self) -> list[tuple[object, ...]]:
        """What was counted besides that something passed."""
        return [event for event in self.counted if event[0] != "proxied"]


@dataclass
class Traffic:
    """Exchanges that have passed a watcher."""

    exporter: Exporter
    watcher: TrafficWatcher

    async def passes(
        self,
        path: str,
        asked: object = None,
        told: object = None,
        *,
        status: int = 200,
        key: str = KEY,
        method: str = "POST",
        headers: tuple[bytes, ...] = (),
    ) -> Exchange:
        head = RequestHead.read(f"{method} {path} HTTP/1.1\r\nAuthorization: Bearer {key}".encode())
        route = self.watcher.route(head)
        exchange = Exchange(head, route, Counted(0), began_at=0.0)
        exchange.answer_head = ResponseHead.read(b"\r\n".join([b"HTTP/1.1 %d X" % status, *headers]))
        exchange.code, exchange.answer = status, Counted(0)
        for sink, body in ((route.asked, asked), (route.told, told)):
            if sink is not None and body is not None:
                sink.add(body if isinstance(body, bytes) else json.dumps(body).encode())
        await self.ends(exchange)
        return exchange

    async def ends(self, exchange: Exchange) -> None:
        learning: Coroutine[Any, Any, None] | None = self.watcher.passed(exchange)
        if learning is not None:
            await learning


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture
async def traffic(exporter: Exporter) -> AsyncIterator[Traffic]:
    clock = FakeClock()
    log = SummedLog(structlog.get_logger(), clock)
    yield Traffic(exporter, TrafficWatcher(exporter, exporter, clock=clock, log=log))
    log.close()


class TestSubmissions:
    async def test_a_new_task_is_followed_with_its_model(self, traffic: Traffic, exporter: Exporter) -> None:
        await traffic.passes("/v1/tasks/submit", {"model": "sora-2", "out_task_id": "mine"}, PENDING)

        [registration] = exporter.registered
        assert (registration.group, registration.ref, registration.model) == ("renders", ONE, "sora-2")
        assert registration.submitted_at is not None
        assert [(ref, is_query) for ref, _, is_query in exporter.answers] == [(ONE, True)]
        assert exporter.news == [("learnt", "default", "renders")]

    async def test_of_one_that_was_there_before_nobody_knows_since_when(
        self, traffic: Traffic, exporter: Exporter
    ) -> None:
        await traffic.passes("/v1/tasks/submit", {"model": "sora-2"}, PENDING | {"status": "running"})

        assert exporter.registered[0].submitted_at is None

    async def test_no_group_takes_it(self, traffic: Traffic, exporter: Exporter) -> None:
        await traffic.passes("/v1/tasks/submit", {"model": "unwanted"}, PENDING)

        assert (exporter.registered, exporter.answers, exporter.news) == ([], [], [])

    async def test_a_registration_that_fails_teaches_nothing(self, traffic: Traffic, exporter: Exporter) -> None:
        exporter.fault = ExporterError("full")

        await traffic.passes("/v1/tasks/submit", {"model": "sora-2"}, PENDING)

        assert (exporter.answers, exporter.news) == ([], [])

    async def test_a_group_that_stays_full_does_not_fill_the_log(self, traffic: Traffic, exporter: Exporter) -> None:
        exporter.fault = ExporterError("full")
        with capture_logs() as lines:
            for number in range(100):
                await traffic.passes("/v1/tasks/submit", {"model": "sora-2"}, PENDING | {"task_id": f"task_{number}"})
                await traffic.passes("/v1/tasks/query", {"task_id": "task_0"}, PENDING | {"task_id": "task_0"})

        assert [(line["event"], line["kind"], line["reason"]) for line in lines] == [
            ("proxy_task_not_followed", "renders", "full")
        ]

    @pytest.mark.parametrize(
        ("status", "body", "error_code"),
        [
            (402, {"error": {"code": "insufficient_balance"}}, "insufficient_balance"),
            (402, {"error": {"code": "something_new"}}, "payment"),
            (451, b"blocked", "bad_request"),
            (503, b"", "server"),
            (404, NOT_FOUND, "bad_request"),
        ],
    )
    async def test_a_refused_one_counts_by_its_code(
        self, traffic: Traffic, exporter: Exporter, status: int, body: object, error_code: str
    ) -> None:
        await traffic.passes("/v1/tasks/submit", {"model": "sora-2"}, body, status=status)

        assert exporter.news == [("submission_failed", "default", error_code)]


class TestAnswers:
    async def test_what_the_application_asks_counts_as_asked(self, traffic: Traffic, exporter: Exporter) -> None:
        exporter.followed = {ONE}

        await traffic.passes("/v1/tasks/query", {"task_id": "task_1"}, PENDING)

        assert [(ref, is_query) for ref, _, is_query in exporter.answers] == [(ONE, True)]
        assert exporter.registered == []

    async def test_a_task_that_nobody_follows_is_followed_from_then_on(
        self, traffic: Traffic, exporter: Exporter
    ) -> None:
        await traffic.passes("/v1/tasks/cancel/task_1", None, PENDING | {"status": "cancelled"})

        assert [(one.ref, one.submitted_at) for one in exporter.registered] == [(ONE, None)]

    async def test_a_followed_task_that_is_not_found_is_a_miss(self, traffic: Traffic, exporter: Exporter) -> None:
        exporter.followed = {ONE}

        await traffic.passes("/v1/tasks/query", {"task_id": "task_1"}, NOT_FOUND, status=404)
        await traffic.passes("/v1/tasks/query", {"task_id": "task_2"}, NOT_FOUND, status=404)

        assert [(ref, answer.observation) for ref, answer, _ in exporter.answers] == [(ONE, None)]

    async def test_a_stream_tells_of_followed_tasks_alone(self, traffic: Traffic, exporter: Exporter) -> None:
        event = b"data: " + json.dumps(PENDING).encode() + b"\n\n"
        await traffic.passes("/v1/tasks/stream/task_1", None, event, method="GET")
        exporter.followed = {ONE}
        await traffic.passes("/v1/tasks/stream/task_1", None, event, method="GET")

        assert [(ref, is_query) for ref, _, is_query in exporter.answers] == [(ONE, False)]

    async def test_the_concurrency_cap_is_the_applications(self, traffic: Traffic, exporter: Exporter) -> None:
        full = {"error": {"type": "rate_limit_error", "code": "concurrency_limit"}}

        await traffic.passes("/v1/tasks/query", {"task_id": "task_1"}, full, status=429)

        assert exporter.gave_way == ["default"]


class TestWhatIsNotUnderstood:
    @pytest.mark.parametrize(
        ("told", "headers"),
        [
            (b"<html>", ()),
            (PENDING | {"task_id": "another"}, ()),
            (PENDING, (b"Content-Encoding: br",)),
            (bytes(2 << 20), ()),
        ],
    )
    async def test_it_is_counted(
        self, traffic: Traffic, exporter: Exporter, told: object, headers: tuple[bytes, ...]
    ) -> None:
        await traffic.passes("/v1/tasks/query", {"task_id": "task_1"}, told, headers=headers)

        assert exporter.news == [("not_understood", "query")]
        assert exporter.answers == []

    async def test_an_answer_that_broke_off_teaches_nothing(self, traffic: Traffic, exporter: Exporter) -> None:
        head = RequestHead.read(f"POST /v1/tasks/submit HTTP/1.1\r\nX-Api-Key: {KEY}".encode())
        exchange = Exchange(head, traffic.watcher.route(head), Counted(0), began_at=0.0, code=200, is_cut=True)
        await traffic.ends(exchange)

        assert exporter.counted == [("proxied", "default", "submit", "200")]
        assert traffic.watcher.in_flight == 0


class TestKeys:
    async def test_a_strangers_request_passes_and_is_not_read(self, traffic: Traffic, exporter: Exporter) -> None:
        exchange = await traffic.passes("/v1/tasks/submit", {}, PENDING, key="another")

        assert exchange.route.asked is None
        assert exchange.route.upstream.host == "first"
        assert exporter.counted == [("proxied", "", "submit", "200")]

    async def test_the_key_shows_nowhere(self, traffic: Traffic) -> None:
        exchange = await traffic.passes("/v1/tasks/query", {}, {})

        assert KEY not in repr(exchange.route)

    async def test_other_paths_are_not_read(self, traffic: Traffic) -> None:
        exchange = await traffic.passes("/v1/messages", {}, {})

        assert not isinstance(exchange.route.told, Copy)

    @pytest.mark.parametrize(
        ("lines", "key"),
        [
            (b"Authorization: Bearer one\r\nx-api-key: two", "two"),
            (b"Authorization: bearer one", "one"),
            (b"Authorization: Basic one", ""),
            (b"X: y", ""),
        ],
    )
    def test_it_is_read_as_the_api_reads_it(self, lines: bytes, key: str) -> None:
        assert key_of(RequestHead.read(b"GET / HTTP/1.1\r\n" + lines)) == key
