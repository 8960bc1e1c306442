"""A URL that is asked again and again."""

from pathlib import Path

import httpx

from exporter.discovery.http_sd import HttpSource
from exporter.discovery.parse import Defaults
from exporter.settings.model import AuthorizationSettings, HttpSdSettings
from tests.support.fake_clock import FakeClock
from tests.support.listening import running

DEFAULTS = Defaults("sora-2", (), frozenset())
URL = "http://app/tasks?token=hunter2"


def source(credentials_file: Path | None = None) -> HttpSource:
    authorization = AuthorizationSettings(credentials_file=credentials_file) if credentials_file else None
    return HttpSource(HttpSdSettings(URL, 30.0, authorization), DEFAULTS)


class App:
    """Answers what the test says, and keeps the requests."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, httpx.Response):
            return self.answer
        return httpx.Response(200, json=self.answer)


def named(*ids: str) -> list[dict[str, list[str]]]:
    return [{"out_task_ids": list(ids)}]


async def test_it_asks_at_its_interval_and_tells_what_is_new() -> None:
    app, clock = App(named("a")), FakeClock()
    async with running(source(), clock=clock, transport=app.transport) as ears:
        await clock.advance(1.0)
        await ears.until(lambda: ears.refreshes == 1)
        assert ears.ids == ["a"]

        await clock.advance(29.0)
        assert len(app.requests) == 1
        app.answer = named("a", "b")
        await clock.advance(2.0)
        await ears.until(lambda: ears.refreshes == 2)
        assert ears.ids == ["a", "b"]

        await clock.advance(30.0)
        await ears.until(lambda: ears.refreshes == 3)
        assert len(ears.lists) == 2
    assert [str(request.url) for request in app.requests] == [URL] * 3


async def test_sources_do_not_all_start_at_once() -> None:
    app, clock = App([]), FakeClock()
    async with running(source(), clock=clock, transport=app.transport) as ears:
        await clock.settle()
        assert app.requests == []
        await clock.advance(1.0)
        await ears.until(lambda: ears.refreshes == 1)


async def test_a_failed_refresh_keeps_the_last_list() -> None:
    app, clock = App(named("a")), FakeClock()
    async with running(source(), clock=clock, transport=app.transport) as ears:
        await clock.advance(1.0)
        await ears.until(lambda: ears.refreshes == 1)
        for answer in (httpx.Response(503), {"task_ids": ["a"]}, [{"task_ids": "a"}, {}]):
            app.answer = answer
            await ears.after_refresh(clock.advance(30.0))
        app.answer = named("a")
        await clock.advance(30.0)
        await ears.until(lambda: ears.refreshes == 2)

    assert ears.failures == [
        ("http://app/tasks: answered 503; only 200 is a list",),
        ("http://app/tasks: expected a list of items, as in static_configs",),
        ("http://app/tasks: [0].task_ids: expected a list (and 1 more)",),
    ]
    assert len(ears.lists) == 1


async def test_the_token_is_read_at_each_refresh(tmp_path: Path) -> None:
    token, app, clock = tmp_path / "token", App([]), FakeClock()
    async with running(source(token), clock=clock, transport=app.transport) as ears:
        await clock.advance(1.0)
        await ears.until(lambda: ears.failures == [(f"credentials_file: {token}: No such file or directory",)])
        for secret in ("first", "second"):
            token.write_text(secret)
            await ears.after_refresh(clock.advance(30.0))
    assert [request.headers["Authorization"] for request in app.requests] == ["Bearer first", "Bearer second"]
