"""Callbacks: delivered with retries, to this machine alone, from a bounded queue."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx
import pytest

from exporter.simulator.batch import Batch
from exporter.simulator.callbacks import MAX_WAITING, is_loopback
from exporter.simulator.simulator import Simulator
from tests.simulator.manual import ManualClock

URL = "http://127.0.0.1:9/hook"


class Receiver:
    """Answers with the statuses given, in turn, the last one for ever; 0 is a broken connection."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[dict[str, object]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if not status:
            raise httpx.ConnectError("nobody listens")
        return httpx.Response(status)


@asynccontextmanager
async def running(simulator: Simulator) -> AsyncIterator[None]:
    work = asyncio.create_task(simulator.run())
    await asyncio.sleep(0)
    yield
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


@pytest.mark.parametrize(
    ("statuses", "requests", "outcome"),
    [
        ((204,), 1, "delivered"),
        ((500, 0, 200), 3, "delivered"),
        ((302,), 3, "failed"),
        ((0,), 3, "failed"),
    ],
)
async def test_a_callback_is_tried_three_times(
    clock: ManualClock,
    client_of: Callable[..., httpx.AsyncClient],
    statuses: tuple[int, ...],
    requests: int,
    outcome: str,
) -> None:
    receiver = Receiver(*statuses)
    simulator = Simulator(clock=clock, callback_transport=httpx.MockTransport(receiver))
    client = client_of(simulator)
    body = {"model": "seedream-v4", "params": {}, "callback_url": URL}
    async with running(simulator):
        said = (await client.post("/v1/tasks/submit", json=body)).json()
        await client.post(f"/v1/tasks/cancel/{said['task_id']}")
        await clock.advance(10)
    assert receiver.bodies == [{**said, "status": "cancelled"}] * requests
    assert simulator.books()["callbacks"] == {outcome: 1}


async def test_time_passes_by_itself(clock: ManualClock, client_of: Callable[..., httpx.AsyncClient]) -> None:
    receiver = Receiver(200)
    simulator = Simulator(clock=clock, callback_transport=httpx.MockTransport(receiver))
    body = {"model": "seedream-v4", "params": {}, "callback_url": URL}
    await client_of(simulator).post("/v1/tasks/submit", json=body)
    async with running(simulator):
        await clock.advance(60)
    assert [body["status"] for body in receiver.bodies] == ["completed"]


async def test_other_machines_are_not_called(simulator: Simulator, client: httpx.AsyncClient) -> None:
    body = {"model": "sora-2", "params": {}, "callback_url": "http://192.0.2.1/hook"}
    said = (await client.post("/v1/tasks/submit", json=body)).json()
    await client.post(f"/v1/tasks/cancel/{said['task_id']}")
    assert simulator.books()["callbacks"] == {"not_loopback": 1}


async def test_the_queue_is_bounded(simulator: Simulator) -> None:
    [task] = simulator.submit_many(Batch(count=1))
    task = replace(task, callback_url=URL)
    for _ in range(MAX_WAITING + 2):
        simulator.callbacks.offer(task)
    assert simulator.books()["callbacks"] == {"dropped": 2}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1/", True),
        ("https://127.8.9.10:8443/x", True),
        ("http://localhost:1", True),
        ("http://[::1]:80/", True),
        ("http://example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://0.0.0.0/", False),
        ("http://127.0.0.1@192.0.2.1/", False),
        ("file:///etc/passwd", False),
        ("http://[", False),
        ("http://a:b", False),
        ("http://\ud800/", False),
        ("http://127.0.0.1/\ud800", False),
        ("nonsense", False),
    ],
)
def test_what_is_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
