"""One account with everything around it in the test's hands."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.dispatcher.account import Account
from exporter.dispatcher.answer import Answer, DispatcherError, Drift, Reason
from exporter.settings.model import AccountSettings
from exporter.tasks.identity import TaskRef
from tests.support.fake_clock import FakeClock

KEY = "sk-byts-0123456789abcdef"
OTHER_KEY = "sk-byts-fedcba9876543210"
REF = TaskRef("default", task_id="task_1")
SETTINGS = AccountSettings("default", "http://api", api_key_env="KEY", max_in_flight=2, max_requests_per_second=10.0)


@dataclass
class Requests:
    """Keeps what was reported."""

    finished: list[tuple[str, str, float, Reason | None, tuple[Drift, ...]]] = field(default_factory=list)

    def request_finished(
        self, account: str, endpoint: str, *, seconds: float, failure: Reason | None, drift: Sequence[Drift]
    ) -> None:
        self.finished.append((account, endpoint, seconds, failure, tuple(drift)))


class Events(httpx.AsyncByteStream):
    """The body of a stream: what the test puts in, until it puts None."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    def tell(self, **record: object) -> None:
        self.queue.put_nowait(b"data: " + json.dumps({"task_id": "task_1", **record}).encode() + b"\n\n")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (said := await self.queue.get()) is not None:
            if isinstance(said, Exception):
                raise said
            yield said


@dataclass
class Upstream:
    """Answers as it is told to; ``hold`` keeps the requests waiting."""

    status: int = 200
    record: dict[str, object] = field(default_factory=lambda: {"task_id": "task_1", "status": "running"})
    headers: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    clock: FakeClock = field(default_factory=FakeClock)
    seconds: float = 0.0
    events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        self.go.set()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers["Authorization"].removeprefix("Bearer "))
        self.urls.append(str(request.url))
        await self.clock.sleep(self.seconds)
        await self.go.wait()
        if self.status == 200 and "/stream/" in request.url.path:
            return httpx.Response(200, headers={"Content-Type": "text/event-stream"} | self.headers, stream=self.events)
        return httpx.Response(self.status, content=json.dumps(self.record), headers=self.headers)


@dataclass
class Bench:
    """An account with everything around it in the test's hands."""

    account: Account
    upstream: Upstream
    clock: FakeClock
    requests: Requests
    lines: CapturingLogger

    async def ask(self) -> Answer:
        async with self.account.permit() as permit:
            return await permit.query(REF)

    async def fail(self) -> DispatcherError:
        with pytest.raises(DispatcherError) as caught:
            await self.ask()
        return caught.value

    async def listen(self) -> list[Answer]:
        """The answers of one stream."""
        async with self.account.permit() as permit, permit.stream(REF) as answers:
            return [answer async for answer in answers]

    async def may_stream(self) -> bool:
        async with self.account.permit():
            return self.account.may_stream()

    async def change(self, settings: AccountSettings) -> None:
        (await self.account.prepare(settings)).commit()

    def events(self) -> list[str]:
        return [call.kwargs["event"] for call in self.lines.calls]


@asynccontextmanager
async def bench(settings: AccountSettings = SETTINGS, environ: dict[str, str] | None = None) -> AsyncIterator[Bench]:
    clock, requests, lines = FakeClock(), Requests(), CapturingLogger()
    upstream = Upstream(clock=clock)
    account = Account(
        settings,
        clock=clock,
        requests=requests,
        logger=structlog.wrap_logger(lines, processors=[], wrapper_class=structlog.make_filtering_bound_logger(0)),
        random=Random(5),
        transport=httpx.MockTransport(upstream),
        environ={"KEY": KEY} if environ is None else environ,
    )
    try:
        yield Bench(account, upstream, clock, requests, lines)
    finally:
        await account.aclose()
    assert KEY not in repr(lines.calls)


@asynccontextmanager
async def running(*coroutines: Coroutine[Any, Any, Any]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
