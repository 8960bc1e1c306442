"""The stream of one task: its states as they come, then the end."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from exporter.simulator.batch import Batch
from exporter.simulator.simulator import Simulator
from tests.simulator.manual import ManualClock


def statuses(answer: httpx.Response) -> list[str]:
    lines = answer.text.splitlines()
    assert [line for line in lines if line.startswith("event:")] == ["event: status"] * lines.count("event: status")
    return [json.loads(line.removeprefix("data: "))["status"] for line in lines if line.startswith("data: ")]


async def test_a_stream_tells_each_state_once(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    [task] = simulator.submit_many(Batch(count=1, latency_seconds=10))
    request = asyncio.create_task(client.get(f"/v1/tasks/stream/{task.task_id}"))
    await clock.advance(9.9)
    assert simulator.books()["traffic"]["demo"]["in_flight"] == 1
    await clock.advance(0.2)
    answer = await request
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert statuses(answer) == ["pending", "running", "completed"]


async def test_a_stream_of_an_ended_task_is_one_event(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    [task] = simulator.submit_many(Batch(count=1, failure_ratio=1.0))
    clock.pass_by(10)
    assert statuses(await client.get(f"/v1/tasks/stream/{task.task_id}")) == ["failed"]


async def test_a_stream_sees_a_cancellation(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    [task] = simulator.submit_many(Batch(count=1, latency_seconds=10_000))
    request = asyncio.create_task(client.get(f"/v1/tasks/stream/{task.task_id}"))
    await clock.advance(1)
    await client.post(f"/v1/tasks/cancel/{task.task_id}")
    await clock.advance(1)
    assert statuses(await request) == ["pending", "cancelled"]


@pytest.mark.parametrize("task_id", ["task_unknown", None])
async def test_a_stream_of_an_unknown_task(
    simulator: Simulator, client_of: Callable[..., httpx.AsyncClient], task_id: str | None
) -> None:
    [task] = simulator.submit_many(Batch(count=1))
    stranger = client_of(simulator, {"x-api-key": "sk-byts-second"})
    assert (await stranger.get(f"/v1/tasks/stream/{task_id or task.task_id}")).status_code == 404
