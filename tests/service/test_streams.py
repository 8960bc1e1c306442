"""Streams in the exporter as a whole: what a reload and an end do to them, and what /metrics shows."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import httpx
import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.accounting.series import Series, labels_of
from exporter.clock import SystemClock
from exporter.metrics.snapshot import BuildView
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.settings.load import load

CONFIG = """\
global: {poll: {min_interval: 100ms, default_eta: 1s, max_interval: 1m}}
accounts:
  - {name: one, base_url: "http://api", api_key_env: KEY, max_in_flight: 3, max_requests_per_second: 1000}
task_groups:
  - {name: renders, stream: true, static_configs: [{task_ids: [t1, t2]}]}
  - {name: images, static_configs: [{task_ids: [t3]}]}
ledger: {url: "sqlite:///LEDGER"}
"""


class Upstream:
    """Every task runs for ever; ``streams`` are those that are open."""

    def __init__(self) -> None:
        self.streams: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, json={"task_id": json.loads(request.content)["task_id"], "status": "running"})
        body = Body(self, request.url.path.rpartition("/")[2])
        return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=body)


class Body(httpx.AsyncByteStream):
    def __init__(self, upstream: Upstream, name: str) -> None:
        self.upstream, self.name = upstream, name
        upstream.streams.append(name)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield f'data: {{"task_id": "{self.name}", "status": "running"}}\n\n'.encode()
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.upstream.streams.remove(self.name)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - the parts under test have no event for it
            await asyncio.sleep(0.01)


class Bench:
    def __init__(self, directory: Path) -> None:
        self.file = directory / "exporter.yml"
        self.config = CONFIG.replace("LEDGER", str(directory / "ledger.db"))
        self.file.write_text(self.config)
        self.upstream = Upstream()
        self.logged = CapturingLogger()
        self.exporter = Exporter(
            load(self.file),
            config_file=self.file,
            build=BuildView("1", "2", "3"),
            dependencies=Dependencies(
                SystemClock(), Random(1), {"KEY": "sk-byts-0123456789"}, httpx.MockTransport(self.upstream)
            ),
            log=structlog.wrap_logger(
                self.logged, processors=[], wrapper_class=structlog.make_filtering_bound_logger(0)
            ),
        )

    async def reload(self, old: str, new: str) -> None:
        assert old in self.config
        self.file.write_text(self.config.replace(old, new))
        await self.exporter.reload()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.exporter.start()
    await until(lambda: sorted(bench.upstream.streams) == ["t1", "t2"])
    yield bench
    await bench.exporter.stop(deadline=5.0)
    assert bench.upstream.streams == []
    assert not [
        call for call in bench.logged.calls if "fault" in call.kwargs["event"] or "late" in call.kwargs["event"]
    ]


async def test_only_the_groups_that_stream_do_and_it_counts_as_in_flight(bench: Bench) -> None:
    (account,) = bench.exporter.snapshot().accounts
    assert 2 <= account.requests_in_flight <= 3
    requests = Series("bytespike_api_requests_total", labels_of(account="one", endpoint="tasks/stream"))
    await until(lambda: requests in bench.exporter.snapshot().totals)
    assert bench.exporter.snapshot().totals[requests] == 0.0, "a stream counts when it ends, its series starts at once"


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("stream: true", "stream: false", []),
        ("  - {name: renders, stream: true, static_configs: [{task_ids: [t1, t2]}]}\n", "", []),
        ("[t1, t2]", "[t2]", ["t2"]),
        ("default_eta: 1s", "default_eta: 2s", ["t1", "t2"]),
        ("max_in_flight: 3", "max_in_flight: 2", ["t1 or t2"]),
        ("{name: one,", "{name: other,", ["t1", "t2"]),
    ],
    ids=["no-stream", "no-group", "no-task", "cadence", "fewer-slots", "another-account"],
)
async def test_a_reload_leaves_the_streams_that_are_still_wanted(
    bench: Bench, old: str, new: str, left: list[str]
) -> None:
    await bench.reload(old, new)
    await asyncio.sleep(0.05)
    await until(lambda: len(bench.upstream.streams) == len(left))
    assert set(bench.upstream.streams) <= {"t1", "t2"}
    if "t1 or t2" not in left:
        assert sorted(bench.upstream.streams) == left
    assert bench.exporter.faults == ()
