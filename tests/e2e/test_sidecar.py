"""An application that knows only the sidecar's address: what it does passes unchanged, and is learnt."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests.e2e.cutting import cutting
from tests.e2e.upstream import KEY, Upstream, assert_books_are_equal, configuration
from tests.support.ports import free_port
from tests.support.processes import RunningExporter, start_exporter, start_simulator
from tests.support.waiting import until_sum

pytestmark = pytest.mark.e2e

TASKS = 200
"""Submitted at 50 a second; each takes about two seconds."""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    simulator = start_simulator(tmp_path, "--seed", "11", "--time-scale", "40")
    with simulator, closing(Upstream(simulator.url)) as upstream:
        yield upstream


def sidecar_configuration(directory: Path, upstream: Upstream, *, base_url: str = "", port: int = 0) -> Path:
    """``base_url`` is another way to the upstream than the straight one."""
    limits = {"max_in_flight": 4, "max_requests_per_second": 100}
    return configuration(
        directory,
        upstream,
        account=json.dumps({**limits, "base_url": base_url or upstream.url}),
        poll="{min_interval: 500ms, max_interval: 1s}",
        group='{"static_configs": [], "proxy_config": {}}',
        more=json.dumps({"proxy": {"listen_address": f"127.0.0.1:{port}"}}),
    )


def address_of(exporter: RunningExporter) -> str:
    return f"http://{exporter.wait_for_event('proxy_listening')['address']}"


@asynccontextmanager
async def application(url: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        yield client


async def submitted(client: httpx.AsyncClient, number: int) -> str:
    body = {"model": "sora-2-pro", "params": {"prompt": "a calm sea"}, "out_task_id": f"render-{number}"}
    response = await client.post("/v1/tasks/submit", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["task_id"])


async def a_day_at_work(url: str, count: int) -> Sequence[str]:
    """Submit, ask about some, cancel some, listen to some."""
    async with application(url) as client:
        ids: list[str] = []
        for start in range(0, count, 10):
            ids += await asyncio.gather(*(submitted(client, start + at) for at in range(10)))
            await asyncio.sleep(0.1)
            await asyncio.gather(
                client.post("/v1/tasks/query", json={"task_id": ids[start]}),
                client.post("/v1/tasks/query", json={"out_task_id": f"render-{start + 1}"}),
                client.post(f"/v1/tasks/cancel/{ids[start + 2]}"),
                client.get(f"/v1/tasks/stream/{ids[start + 3]}"),
            )
        return ids


@pytest.mark.slow
async def test_the_books_are_equal(tmp_path: Path, upstream: Upstream) -> None:
    with start_exporter(sidecar_configuration(tmp_path, upstream)) as exporter:
        ids = await a_day_at_work(address_of(exporter), TASKS)
        page = until_sum(
            exporter.url, "bytespike_tasks_finished_total", lambda ended: ended == len(set(ids)), seconds=90
        )
        assert_books_are_equal(page, upstream.books())
        assert page.sum("bytespike_proxy_tasks_learnt_total") == TASKS
        assert page.sum("bytespike_proxy_not_understood_total") == 0
        assert page.sum("bytespike_tasks_followed_total", model="sora-2-pro") == TASKS
        assert not exporter.events("proxy_learning_failed")
        assert KEY not in exporter.output


@pytest.mark.slow
@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.long)])
async def test_the_books_are_equal_where_everything_breaks(tmp_path: Path, upstream: Upstream, count: int) -> None:
    """The way to the upstream is cut in the middle of answers, and the exporter is killed in the middle of all."""
    port, is_half_done = free_port(), asyncio.Event()
    async with cutting(httpx.URL(upstream.url).port or 0, random=Random(5), share=0.2) as base_url:
        config = sidecar_configuration(tmp_path, upstream, base_url=base_url, port=port)
        first = await asyncio.to_thread(start_exporter, config, log="first.log")
        with first:
            working = asyncio.create_task(a_hard_day(f"http://127.0.0.1:{port}", count, is_half_done))
            await is_half_done.wait()
            first.kill()
        with await asyncio.to_thread(start_exporter, config) as exporter:
            ids = await working
            page = await asyncio.to_thread(
                until_sum, exporter.url, "bytespike_tasks_finished_total", lambda ended: ended == count, seconds=180
            )
            assert len(set(ids)) == count
            assert_books_are_equal(page, upstream.books())
            assert page.sum("bytespike_proxy_upstream_failures_total", reason="cut") > 0
            assert page.sum("bytespike_proxy_time_to_first_poll_seconds_count") > 0
            for one in (first, exporter):
                assert KEY not in one.output
                assert not one.events("proxy_learning_failed")


async def a_hard_day(url: str, count: int, is_half_done: asyncio.Event) -> Sequence[str]:
    """Submit, now and then ask, cancel and listen, and try again what breaks; at last ask once about each task."""
    ids: list[str] = []
    async with application(url) as client, application(url) as listener:
        for start in range(0, count, 10):
            ids += await asyncio.gather(*(insisted(client, start + at) for at in range(10)))
            with suppress(httpx.TransportError):
                await client.post(f"/v1/tasks/cancel/{ids[start]}")
            with suppress(httpx.TransportError, TimeoutError):
                async with asyncio.timeout(0.2):
                    await listener.get(f"/v1/tasks/stream/{ids[start + 1]}")
            if start >= count // 2:
                is_half_done.set()
        for task_id in ids:
            await tried(client, "/v1/tasks/query", {"task_id": task_id})
    return ids


async def insisted(client: httpx.AsyncClient, number: int) -> str:
    """A submission by an id of the application's own, which may be said again."""
    body = {"model": "sora-2-pro", "params": {"prompt": "a wild sea"}, "out_task_id": f"render-{number}"}
    return str((await tried(client, "/v1/tasks/submit", body))["task_id"])


async def tried(client: httpx.AsyncClient, path: str, body: Mapping[str, object]) -> dict[str, Any]:
    """Until it is answered."""
    async with asyncio.timeout(120):
        while True:
            with suppress(httpx.TransportError, ValueError):  # ValueError: half a body, which only looks whole
                response = await client.post(path, json=body)
                if response.is_success:
                    return dict(response.json())
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_what_was_answered_is_followed_after_a_crash(tmp_path: Path, upstream: Upstream) -> None:
    config = sidecar_configuration(tmp_path, upstream)
    with start_exporter(config, log="first.log") as exporter:
        async with application(address_of(exporter)) as client:
            ids = [await submitted(client, number) for number in range(20)]
        exporter.kill()

    with start_exporter(config) as exporter:
        page = until_sum(exporter.url, "bytespike_tasks_finished_total", lambda ended: ended == len(ids), seconds=90)
        assert page.by("status", "bytespike_tasks_finished_total") == {"completed": len(ids)}
        credits_used = upstream.books()["credits_used"]
        assert page.sum("bytespike_tasks_credits_used_total") == pytest.approx(credits_used, abs=0.005)


@pytest.mark.slow
async def test_a_refused_submission_is_counted_by_its_code(tmp_path: Path, upstream: Upstream) -> None:
    with start_exporter(sidecar_configuration(tmp_path, upstream)) as exporter:
        async with application(address_of(exporter)) as client:
            through = await client.post("/v1/tasks/submit", json={"model": "sora-2-pro"})
        async with application(upstream.url) as client:
            direct = await client.post("/v1/tasks/submit", json={"model": "sora-2-pro"})
        assert (through.status_code, through.content) == (direct.status_code, direct.content)

        page = until_sum(exporter.url, "bytespike_proxy_submissions_failed_total", lambda failed: failed > 0)
        assert page.by("error_code", "bytespike_proxy_submissions_failed_total") == {"invalid_param": 1}
        assert page.sum("bytespike_proxy_requests_total", endpoint="submit", code="400", account="default") == 1


@pytest.mark.slow
async def test_a_strangers_key_passes_and_nothing_is_learnt(tmp_path: Path, upstream: Upstream) -> None:
    with start_exporter(sidecar_configuration(tmp_path, upstream)) as exporter:
        async with application(address_of(exporter)) as client:
            theirs = {"x-api-key": "sk-byts-of-somebody-else"}  # it wins over the header that is there as well
            response = await client.post("/v1/tasks/query", json={"task_id": "task_1"}, headers=theirs)
        assert response.status_code == 401
        page = until_sum(exporter.url, "bytespike_proxy_requests_total", lambda passed: passed > 0)
        assert page.sum("bytespike_proxy_requests_total", account="", endpoint="query", code="401") == 1
        assert page.sum("bytespike_tasks") == 0
