"""The app before a real exporter that polls a simulator in the same process."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from html import unescape
from pathlib import Path
from random import Random

import httpx
import pytest
import structlog

from exporter.metrics.snapshot import BuildView
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.settings.load import load
from exporter.simulator.accounts import Account, Key
from exporter.simulator.app import create_app as create_simulator_app
from exporter.simulator.batch import Batch
from exporter.simulator.simulator import Simulator
from tests.support.browse import Browse
from tests.support.fake_clock import FakeClock

WriteConfig = Callable[..., Path]
Run = Callable[[], AbstractAsyncContextManager[Exporter]]

KEY = "sk-byts-the-key-to-hunt-for"


class AtOnce(Random):
    """Chance that spreads nothing: first polls go out at once."""

    def random(self) -> float:
        return 0.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def simulator(clock: FakeClock) -> Simulator:
    simulator = Simulator(accounts=(Account("main", (Key("main", KEY),)),), clock=clock)
    simulator.submit_many(Batch(count=3, model="sora-2", latency_seconds=0, out_task_id_prefix="done-"))
    return simulator


@pytest.fixture
def config(tmp_path: Path) -> WriteConfig:
    path = tmp_path / "exporter.yml"

    def write(ids: str, more: str = "") -> Path:
        path.write_text(
            "accounts: [{name: main, base_url: http://simulator.test, api_key_env: KEY}]\n"
            f"task_groups: [{{name: renders, static_configs: [{{out_task_ids: [{ids}], model: sora-2}}]}}]\n"
            f"ledger: {{url: 'sqlite:///{tmp_path}/ledger.db'}}\n{more}"
        )
        return path

    write("done-0, done-1")
    return write


@pytest.fixture
def running(clock: FakeClock, simulator: Simulator, config: WriteConfig) -> Run:
    @asynccontextmanager
    async def running() -> AsyncIterator[Exporter]:
        path = config("done-0, done-1")
        exporter = Exporter(
            load(path),
            config_file=path,
            build=BuildView("1.2.3", "abc", "3.13"),
            dependencies=Dependencies(
                clock, AtOnce(), {"KEY": KEY}, httpx.ASGITransport(create_simulator_app(simulator))
            ),
            log=structlog.get_logger(),
        )
        await exporter.start()
        try:
            yield exporter
        finally:
            await exporter.stop(deadline=5)

    return running


async def until(clock: FakeClock, condition: Callable[[], Awaitable[bool]]) -> None:
    """Let time pass until something holds; the ledger's thread takes a moment of real time."""
    for _ in range(5_000):
        if await condition():
            return
        await clock.advance(0.1)
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


async def test_outcomes_arrive_on_every_page(running: Run, browse: Browse, clock: FakeClock) -> None:
    async with running() as exporter, browse(exporter) as client:
        assert (await client.get("/-/ready")).status_code == 503

        async def is_counted() -> bool:
            return (
                'status="completed"} 2.0' in (await client.get("/metrics?name[]=bytespike_tasks_finished_total")).text
            )

        await until(clock, is_counted)
        assert (await client.get("/-/ready")).text == "Ready\n"
        assert (await client.get("/-/healthy")).text == "Healthy\n"
        page = (await client.get("/")).text
        assert '<span class="state good">healthy and ready</span>' in page
        assert (
            '<th scope="row"><a href="tasks?group=renders">renders</a></th><td>main</td><td class="models">sora-2</td>'
            in page
        )


async def test_the_page_of_a_task_shows_its_answer_as_it_came(running: Run, browse: Browse, clock: FakeClock) -> None:
    async with running() as exporter, browse(exporter) as client:
        assert "No answer has told of it yet." in (await client.get("/tasks/done-0")).text

        async def has_ended() -> bool:
            return ">completed</span>" in (await client.get("/tasks/done-0")).text

        await until(clock, has_ended)
        page = (await client.get("/tasks/done-0")).text
        answer = json.loads(unescape(re.findall(r"<pre.*?>(.*?)</pre>", page, re.DOTALL)[0]))
        assert (answer["status"], answer["out_task_id"]) == ("completed", "done-0")
        assert answer["output"][0]["type"] == "video"
        assert KEY not in page


async def test_a_reload_follows_what_is_new_and_a_bad_one_changes_nothing(
    running: Run, browse: Browse, clock: FakeClock, config: WriteConfig
) -> None:
    async with running() as exporter, browse(exporter) as client:
        config("done-1, done-2")
        dry = (await client.post("/-/reload?dry_run=1")).json()
        assert dry["tasks"] == {"renders": {"added": 1, "removed": 1}}
        assert (await client.post("/-/reload")).json() == {**dry, "dry_run": False}

        config("done-1, done-2, done-0", "nonsense: 1\n")
        refused = await client.post("/-/reload")
        assert refused.status_code == 400
        [error] = refused.json()["errors"]
        assert (error["line"], error["key"]) == (4, "nonsense")
        assert "the last reload failed" in (await client.get("/")).text
        assert "done-0" not in (await client.get("/config")).text

        async def is_counted() -> bool:
            return 'status="completed"} 2.0' in (await client.get("/metrics")).text

        await until(clock, is_counted)


async def test_a_ledger_elsewhere_needs_a_restart(
    running: Run, browse: Browse, config: WriteConfig, tmp_path: Path
) -> None:
    async with running() as exporter, browse(exporter) as client:
        path = config("done-0")
        path.write_text(path.read_text().replace("ledger.db", "other.db"))
        refused = await client.post("/-/reload")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"].startswith("ledger.url: it cannot change while running")


@pytest.mark.parametrize("is_revoked", [False, True])
async def test_the_key_is_on_no_page(
    running: Run, browse: Browse, clock: FakeClock, simulator: Simulator, is_revoked: bool
) -> None:
    if is_revoked:
        simulator.revoke("main")
    async with running() as exporter, browse(exporter) as client:

        async def has_been_tried() -> bool:
            return (await client.get("/-/ready")).status_code == 200

        await until(clock, has_been_tried)
        for path in ("/", "/metrics", "/config", "/-/ready", "/-/healthy", "/nowhere", "/-/reload"):
            for accept in ("text/html", "application/openmetrics-text"):
                answer = await client.get(path, headers={"Accept": accept})
                assert KEY not in f"{answer.headers}{answer.text}"
        assert KEY not in (await client.post("/-/reload")).text
        assert KEY not in repr(exporter.settings) + repr(exporter.snapshot())
