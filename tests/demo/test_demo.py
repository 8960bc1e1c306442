"""The demo in this process, its children as real ones."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from exporter.demo import demo as module
from exporter.demo.child import ChildError
from exporter.demo.demo import Addresses, Demo, DemoError, Plan, _ask

pytestmark = pytest.mark.e2e

PLAN = Plan(seed=7, time_scale=20, port=0)


async def begun(directory: Path) -> tuple[Demo, asyncio.Task[None], Addresses]:
    """A demo that has come to its addresses, and its run."""
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    demo = Demo(PLAN, directory, ready=ready.set_result)
    run = asyncio.create_task(demo.run())
    either: set[asyncio.Future[Any]] = {run, ready}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    return demo, run, ready.result()


async def test_tasks_come_and_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEED_SECONDS", 0.2)
    _, run, at = await begun(tmp_path)
    async with httpx.AsyncClient(trust_env=False) as http:

        async def are_counted_beyond_the_first_wave() -> bool:
            page = (await http.get(f"{at.exporter}/metrics?name[]=bytespike_tasks_finished_total")).text
            return sum(float(line.split()[-1]) for line in page.splitlines() if line[0] != "#") > 12

        async with asyncio.timeout(40):
            while not await are_counted_beyond_the_first_wave():  # each look is a request: it does not spin
                pass
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert run.cancelled()


async def test_a_dead_child_ends_it_and_the_other_child(tmp_path: Path) -> None:
    demo, run, at = await begun(tmp_path)
    demo._children[0]._process.kill()
    with pytest.raises(ChildError, match=r"^the simulator ended \(exit code -9\)"):
        await run
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(at.exporter)


async def test_failed_looks_are_borne_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEED_SECONDS", 0.0)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        is_good = request.url.path != "/-/reload" or len(asked) in (3, 6, 9)
        return httpx.Response(200 if is_good else 503, json=[])

    demo = Demo(PLAN, tmp_path, ready=print)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(DemoError, match="/-/reload answered 503"):
            await demo._feed(http, "http://simulator.test", "http://exporter.test")
    assert asked.count("/-/reload") == 3 + module.FAILURES_BORNE


async def test_nobody_there() -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(DemoError, match=r"does not answer \(ConnectError\)"):
            await _ask(http, "GET", "http://127.0.0.1:1/")
