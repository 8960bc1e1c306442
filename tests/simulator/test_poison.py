"""Faults that stick to single tasks; the books of what was asked for: how often, how soon its end was noticed."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from exporter.simulator.answers import ErrorShape
from exporter.simulator.batch import Batch
from exporter.simulator.scenarios import BROKEN, Poison
from exporter.simulator.simulator import Options, Simulator
from exporter.simulator.tasks import Submission
from tests.simulator.manual import ManualClock

MakeClient = Callable[..., httpx.AsyncClient]

POISONED, HEALTHY = {"out_task_id": "p0"}, {"out_task_id": "h0"}


def add(simulator: Simulator, poison: Poison | None = None, **batch: Any) -> str:
    """One task that is called p0, or h0 where it is healthy; its task_id."""
    prefix = "p" if poison else "h"
    [task] = simulator.submit_many(Batch(count=1, poison=poison, out_task_id_prefix=prefix, **batch))
    return task.task_id


async def query(client: httpx.AsyncClient, name: dict[str, str]) -> httpx.Response:
    return await client.post("/v1/tasks/query", json=name)


@pytest.mark.parametrize(
    ("poison", "status", "content_type", "body"),
    [
        (
            Poison("http_500"),
            500,
            "application/json",
            b'{"error":{"message":"The gateway could not serve the request.","type":"api_error","code":"api"}}',
        ),
        (Poison("http_500", envelope=False), 500, "text/plain; charset=utf-8", b"Internal Server Error\n"),
        (Poison("not_an_object"), 200, "application/json", b"[]"),
        (Poison("redirect"), 302, None, b""),
    ],
)
async def test_each_query_of_a_poisoned_task_meets_its_poison_for_ever(
    client: httpx.AsyncClient,
    simulator: Simulator,
    clock: ManualClock,
    poison: Poison,
    status: int,
    content_type: str | None,
    body: bytes,
) -> None:
    task_id = add(simulator, poison, latency_seconds=60)
    add(simulator)
    for _ in range(3):
        for name in (POISONED, {"task_id": task_id}):
            answer = await query(client, name)
            assert (answer.status_code, answer.headers.get("content-type"), answer.content) == (
                status,
                content_type,
                body,
            )
        assert (await query(client, HEALTHY)).status_code == 200
        clock.pass_by(3600)


async def test_cut_json_is_framed_as_if_it_were_whole(client: httpx.AsyncClient, simulator: Simulator) -> None:
    task_id = add(simulator, Poison("cut_json"))
    answer = await query(client, POISONED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.text.startswith(f'{{"task_id":"{task_id}')
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_a_closed_connection_is_what_a_client_in_process_gets_of_it(
    client: httpx.AsyncClient, simulator: Simulator
) -> None:
    add(simulator, Poison("closed"))
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            await query(client, POISONED)
    assert simulator.books()["traffic"]["demo"] == {
        "requests": 2,
        "in_flight": 0,
        "max_concurrent": 1,
        "by_endpoint": {"query": {"444": 2}},
    }


async def test_a_slow_task_is_answered_late_as_it_then_stands(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    add(simulator, Poison("slow", seconds=20), latency_seconds=10)
    request = asyncio.create_task(query(client, POISONED))
    await clock.advance(19.9)
    assert not request.done()
    await clock.advance(0.1)
    assert (await request).json()["status"] == "completed"
    books = simulator.books()
    assert (books["outcomes"]["completed"], books["poison"]["slow"]["detection"]["max_seconds"]) == (1, 10.0)


async def test_an_error_of_a_poisoned_task_comes_in_the_envelope_that_is_asked_for(
    clock: ManualClock, client_of: MakeClient
) -> None:
    simulator = Simulator(Options(error_shape=ErrorShape.ANTHROPIC), clock=clock)
    add(simulator, Poison("http_500"))
    assert (await query(client_of(simulator), POISONED)).json()["type"] == "error"


async def test_who_may_not_know_a_poisoned_task_is_not_told_of_it(simulator: Simulator, client_of: MakeClient) -> None:
    add(simulator, Poison("http_500"), account="demo")
    stranger = client_of(simulator, {"x-api-key": "sk-byts-second"})
    assert (await query(stranger, POISONED)).status_code == 404


@pytest.mark.parametrize(("kind", "status"), [("http_500", 500), ("redirect", 302), ("not_an_object", 200)])
async def test_its_stream_is_poisoned_too_and_cancelling_it_is_not(
    client: httpx.AsyncClient, simulator: Simulator, kind: Any, status: int
) -> None:
    task_id = add(simulator, Poison(kind))
    answer = await client.get(f"/v1/tasks/stream/{task_id}")
    assert (answer.status_code, "event: status" in answer.text) == (status, False)
    assert (await client.post(f"/v1/tasks/cancel/{task_id}")).json()["status"] == "cancelled"


async def test_a_slow_tasks_stream_begins_late(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    task_id = add(simulator, Poison("slow", seconds=20), latency_seconds=10)
    request = asyncio.create_task(client.get(f"/v1/tasks/stream/{task_id}"))
    await clock.advance(20)
    assert (await request).text.count("event: status") == 1


async def test_a_mixed_batch_takes_the_broken_kinds_in_turn(client: httpx.AsyncClient) -> None:
    body = {"count": 12, "poison": {"kind": "mixed"}, "tag": "bad"}
    assert (await client.post("/sim/tasks", json=body)).status_code == 201
    tasks = (await client.get("/sim/tasks")).json()["tasks"]
    assert [task["poison"] for task in tasks] == [*BROKEN, *BROKEN, *BROKEN[:2]]
    assert {task["tag"] for task in tasks} == {"bad"}
    books = (await client.get("/sim/books")).json()
    assert {kind: said["tasks"] for kind, said in books["poison"].items()} == {
        "http_500": 3,
        "not_an_object": 3,
        "closed": 2,
        "redirect": 2,
        "cut_json": 2,
    }


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        ({"kind": "arsenic"}, "batch: poison.kind: Input should be 'http_500', 'not_an_object', 'closed'"),
        ({"kind": "slow", "seconds": -1}, "batch: poison.seconds: Input should be greater than or equal to 0"),
        ({"kind": "closed", "colour": 1}, "batch: poison.colour: Unexpected keyword argument"),
        ("closed", "batch: poison: Input should be"),
    ],
)
async def test_what_is_no_poison(client: httpx.AsyncClient, poison: Any, message: str) -> None:
    answer = await client.post("/sim/tasks", json={"count": 1, "poison": poison})
    assert (answer.status_code, answer.text[: len(message)]) == (400, message)


def test_the_scenario_poisons_a_share_of_the_tasks_submitted_meanwhile(
    simulator: Simulator, clock: ManualClock
) -> None:
    def submitted(simulator: Simulator, count: int = 200) -> list[Any]:
        backend, caller = simulator.backend, simulator.keyring.named("demo")
        submission = Submission("sora-2", backend.catalogue["sora-2"], 5)
        return [backend.submit(caller, submission, simulator.now()) for _ in range(count)]

    simulator.scenario("poison", duration=60, params={"ratio": 0.5})
    tasks = submitted(simulator)
    clock.pass_by(60)
    assert {task.poison for task in submitted(simulator)} == {None}
    poisoned = [task for task in tasks if task.poison]
    assert 70 < len(poisoned) < 130
    assert {task.poison.kind for task in poisoned} == set(BROKEN)
    # it changes nothing else of any task
    spared = submitted(Simulator(clock=clock))
    assert [task.lifecycle.credits_used for task in tasks] == [task.lifecycle.credits_used for task in spared]


def test_the_scenario_takes_a_kind_from_the_command_line(simulator: Simulator) -> None:
    params = {"kind": "slow", "seconds": "2.5", "envelope": "false"}
    scenario = simulator.scenario("poison", params=params)
    assert scenario["params"] == {"ratio": 1.0, "account": "", "kind": "slow", "envelope": False, "seconds": 2.5}
    backend, caller = simulator.backend, simulator.keyring.named("demo")
    task = backend.submit(caller, Submission("sora-2", backend.catalogue["sora-2"], 5), simulator.now())
    assert task.poison == Poison("slow", envelope=False, seconds=2.5)


async def test_to_an_observer_a_poisoned_task_is_open_for_ever(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    add(simulator, Poison("http_500"))
    add(simulator)
    clock.pass_by(60)
    books = simulator.books()
    assert (books["submitted"], books["open"], books["outcomes"]["completed"]) == (2, 1, 1)
    assert (books["poison"]["http_500"]["ended"], books["poison"]["http_500"]["detection"]["count"]) == (1, 0)
    truth = {task["out_task_id"]: task["status"] for task in simulator.tasks()}
    assert truth == {"p0": "completed", "h0": "completed"}
    await query(client, POISONED)
    assert simulator.tasks()[0]["detection_seconds"] is None


async def test_the_books_say_how_soon_each_end_was_noticed(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    ids = [
        task.task_id for task in simulator.submit_many(Batch(count=3, latency_seconds=10, spread_seconds=4, tag="good"))
    ]
    assert simulator.books()["batches"]["good"] == {
        "tasks": 3,
        "ended": 0,
        "queries": 0,
        "max_queries_per_minute": 0,
        "detection": {"count": 0, "mean_seconds": None, "max_seconds": None},
    }
    for seconds in (9, 2.5, 2, 1.5):  # at 9, 11.5, 13.5 and 15: they end at 10, 12 and 14
        clock.pass_by(seconds)
        for task_id in ids[:2] if seconds != 1.5 else ids:
            await query(client, {"task_id": task_id})
    delays = [1.5, 1.5, 1.0]
    assert [task["detection_seconds"] for task in simulator.tasks()] == delays
    assert [task["queries"] for task in simulator.tasks()] == [4, 4, 1]
    detection = {"count": 3, "mean_seconds": pytest.approx(sum(delays) / 3), "max_seconds": 1.5}
    assert simulator.books()["detection"] == detection
    assert simulator.books()["batches"]["good"] == {
        "tasks": 3,
        "ended": 3,
        "queries": 9,
        "max_queries_per_minute": 4,
        "detection": detection,
    }


async def test_a_stream_shows_an_end_as_a_query_does(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    task_id = add(simulator, latency_seconds=10)
    request = asyncio.create_task(client.get(f"/v1/tasks/stream/{task_id}"))
    await clock.advance(11)
    await request
    [task] = simulator.tasks()
    assert (task["queries"], task["detection_seconds"]) == (1, pytest.approx(0, abs=0.3))


async def test_an_answer_without_the_status_shows_no_end(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    add(simulator, latency_seconds=10)
    simulator.scenario("schema_change", duration=30, params={"kind": "missing_field"})
    for seconds in (20, 20):
        clock.pass_by(seconds)
        await query(client, HEALTHY)
    assert simulator.tasks()[0]["detection_seconds"] == 30.0


async def test_a_refused_query_reached_no_task(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    add(simulator)
    simulator.scenario("outage", duration=10)
    await query(client, HEALTHY)
    assert simulator.tasks()[0]["queries"] == 0


async def test_the_busiest_minute_slides(client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock) -> None:
    add(simulator, Poison("http_500"), tag="bad")
    for pause in (0, 10, 49.9, 0.1, 10, 200):  # at 0, 10, 59.9, 60, 70 and 270
        clock.pass_by(pause)
        await query(client, POISONED)
    assert simulator.books()["poison"]["http_500"] == simulator.books()["batches"]["bad"]
    [task] = simulator.tasks()
    assert (task["queries"], task["max_queries_per_minute"]) == (6, 3)
