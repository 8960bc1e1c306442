"""Each scenario: what it does while it is on, and that it ends."""

import asyncio
from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest

from exporter.simulator.batch import Batch
from exporter.simulator.errors import SimulatorError
from exporter.simulator.scenarios import MAX_PLANNED, GarbageKind, Schedule, SchemaKind
from exporter.simulator.simulator import Simulator
from exporter.simulator.tasks import Submission, Task
from tests.simulator.manual import ManualClock

MakeClient = Callable[..., httpx.AsyncClient]

QUERY = {"out_task_id": "x0"}


@pytest.fixture
def simulator(simulator: Simulator) -> Simulator:
    simulator.submit_many(Batch(count=1, model="sora-2", latency_seconds=10, out_task_id_prefix="x"))
    return simulator


@pytest.mark.parametrize(
    ("name", "params", "status", "code", "retry_after"),
    [
        ("rate_limit_storm", {}, 429, "concurrency_limit", None),
        ("rate_limit_storm", {"code": "spend", "retry_after": 7}, 429, "rate_limit_exceeded", "7"),
        ("outage", {}, 503, "overloaded", None),
        ("outage", {"status": 500}, 500, "api", None),
        ("key_revoked", {}, 401, "invalid_api_key", None),
        ("key_revoked", {"key": "demo"}, 401, "invalid_api_key", None),
        ("payment_required", {}, 402, "quota_exceeded", None),
        ("payment_required", {"code": "insufficient_balance"}, 402, "insufficient_balance", None),
        ("forbidden", {}, 403, "permission_denied", None),
    ],
)
async def test_requests_are_refused_while_it_is_on(
    simulator: Simulator,
    client: httpx.AsyncClient,
    clock: ManualClock,
    name: str,
    params: dict[str, Any],
    status: int,
    code: str,
    retry_after: str | None,
) -> None:
    simulator.scenario(name, after=10, duration=30, params=params)
    statuses = []
    for _ in range(4):
        answer = await client.post("/v1/tasks/query", json=QUERY)
        statuses.append(answer.status_code)
        if answer.status_code == status:
            assert answer.json()["error"]["code"] == code
            assert answer.headers.get("retry-after") == retry_after
        clock.pass_by(15)
    assert statuses == [200, status, status, 200]


@pytest.mark.parametrize(("name", "params"), [("key_revoked", {"key": "second"}), ("outage", {"account": "second"})])
async def test_others_are_spared(
    simulator: Simulator, client: httpx.AsyncClient, client_of: MakeClient, name: str, params: dict[str, Any]
) -> None:
    simulator.scenario(name, params=params)
    assert (await client.get("/api/v1/me/account")).status_code == 200
    second = client_of(simulator, {"x-api-key": "sk-byts-second"})
    assert (await second.get("/api/v1/me/account")).status_code in (401, 503)


async def test_the_ratio_is_the_share_that_is_hit(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.scenario("outage", params={"ratio": 0.5})
    statuses = [(await client.post("/v1/tasks/query", json=QUERY)).status_code for _ in range(100)]
    assert 30 < statuses.count(503) < 70
    assert simulator.end_scenario("outage")
    assert not simulator.end_scenario("outage")
    assert (await client.post("/v1/tasks/query", json=QUERY)).status_code == 200


async def test_slow_answers_come_later(simulator: Simulator, client: httpx.AsyncClient, clock: ManualClock) -> None:
    simulator.scenario("slow_answers", params={"seconds": 30})
    request = asyncio.create_task(client.post("/v1/tasks/query", json=QUERY))
    await clock.advance(29)
    assert not request.done()
    await clock.advance(1)
    assert (await request).status_code == 200


async def test_garbage_is_no_api_answer(simulator: Simulator, client: httpx.AsyncClient) -> None:
    seen = {}
    for kind in get_args(GarbageKind):
        simulator.scenario("garbage", params={"kind": kind})
        answer = await client.post("/v1/tasks/query", json=QUERY)
        seen[kind] = (answer.status_code, answer.headers.get("content-type"), answer.content[:20], len(answer.content))
        simulator.end_scenario("garbage")
    assert seen == {
        "html": (502, "text/html; charset=utf-8", b"<html><body><h1>502 ", 50),
        "empty": (200, "application/json", b"", 0),
        "array": (200, "application/json", b'[{"status":"complete', 24),
        "scalar": (200, "application/json", b'"completed"', 11),
        "cut_json": (200, "application/json", b'{"task_id":"task_01', 19),
        "huge": (200, "application/json", b'{"task_id":"task_","', (8 << 20) + 51),
        "redirect": (302, None, b"", 0),
        "truncated": (200, "application/json", b'{"task_id":"task_","', 24),
    }


async def test_mixed_garbage_draws_every_kind(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.scenario("garbage")
    sizes = {len((await client.post("/v1/tasks/query", json=QUERY)).content) for _ in range(120)}
    assert sizes == {50, 0, 24, 11, 19, (8 << 20) + 51}


@pytest.mark.parametrize(
    ("kind", "pending", "completed"),
    [
        (
            "unknown_status",
            {"status": "archived", "estimated_credits": 0.42, "estimated_seconds": 10},
            {"status": "archived", "credits_used": 0.41},
        ),
        (
            "renamed_field",
            {"state": "pending", "estimated_credits": 0.42, "estimated_seconds": 10},
            {"state": "completed", "credits_used": 0.41},
        ),
        ("missing_field", {"estimated_credits": 0.42, "estimated_seconds": 10}, {"credits_used": 0.41}),
        (
            "mistyped_field",
            {"status": "pending", "estimated_credits": {"usd": 1}, "estimated_seconds": True},
            {"status": "completed", "credits_used": [1.47], "output": "none"},
        ),
        (
            "numeric_strings",
            {"status": "pending", "estimated_credits": "0.42", "estimated_seconds": "10"},
            {"status": "completed", "credits_used": "0.41"},
        ),
        (
            "extra_field",
            {
                "status": "pending",
                "estimated_credits": 0.42,
                "estimated_seconds": 10,
                "progress": 0.5,
                "queue": {"position": 3},
            },
            {"status": "completed", "credits_used": 0.41, "progress": 0.5, "queue": {"position": 3}},
        ),
        (
            "legacy_shape",
            {
                "status": "queued",
                "estimated_credits": 0.42,
                "estimated_seconds": 10,
                "submitted_at": "2025-11-24T16:00:00Z",
            },
            {
                "status": "completed",
                "credits": 0.41,
                "submitted_at": "2025-11-24T16:00:00Z",
                "completed_at": "2025-11-24T16:00:10Z",
                "result": {"video_url": "…"},
            },
        ),
    ],
)
async def test_a_schema_change_shows_records_in_another_shape(
    simulator: Simulator,
    client: httpx.AsyncClient,
    clock: ManualClock,
    kind: SchemaKind,
    pending: dict[str, Any],
    completed: dict[str, Any],
) -> None:
    simulator.scenario("schema_change", params={"kind": kind})
    for expected in (pending, completed):
        said = (await client.post("/v1/tasks/query", json=QUERY)).json()
        assert (said.pop("task_id")[:5], said.pop("out_task_id")) == ("task_", "x0")
        if isinstance(said.get("output"), list):
            said.pop("output")
        if "result" in said:
            assert said["result"]["video_url"].endswith(".mp4")
            said["result"] = {"video_url": "…"}
        assert said == expected
        clock.pass_by(10)


async def test_a_mixed_schema_change_draws_every_kind(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.scenario("schema_change", params={"ratio": 0.9})
    shapes = {(await client.post("/v1/tasks/query", json=QUERY)).text for _ in range(150)}
    assert len(shapes) == len(get_args(SchemaKind)) + 1


def submitted(simulator: Simulator, count: int = 200) -> list[Task]:
    backend = simulator.backend
    submission = Submission("sora-2", backend.catalogue["sora-2"], 5)
    caller = simulator.keyring.named("demo")
    return [backend.submit(caller, submission, simulator.now()) for _ in range(count)]


def test_a_failure_wave_fails_the_tasks_submitted_meanwhile(simulator: Simulator) -> None:
    before = [task.lifecycle.error_code for task in submitted(simulator)]
    simulator.scenario("failure_wave", duration=60)
    codes = [task.lifecycle.error_code for task in submitted(simulator)]
    assert before.count("sim_upstream_error") == 0
    assert before.count("content_policy_violation") < 20
    assert 130 < codes.count("sim_upstream_error") < 190


async def test_an_invented_failure_says_that_it_is_one(
    simulator: Simulator, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    simulator.scenario("failure_wave", params={"ratio": 1.0, "error_code": "sim_gpu_lost"})
    body = {"model": "sora-2", "params": {}, "out_task_id": "lost"}
    await client.post("/v1/tasks/submit", json=body)
    clock.pass_by(10_000)
    said = (await client.post("/v1/tasks/query", json={"out_task_id": "lost"})).json()
    assert (said["error_code"], said["error_message"]) == ("sim_gpu_lost", "The simulator made this task fail.")


def test_a_slow_wave_outlasts_the_estimate(simulator: Simulator) -> None:
    def ratio() -> float:
        tasks = submitted(simulator)
        return sum((task.lifecycle.end_at - task.submitted_at) / (task.eta or 1) for task in tasks) / len(tasks)

    assert 0.9 < ratio() < 1.2
    simulator.scenario("slow_wave", params={"factor": 4})
    assert 3.6 < ratio() < 4.8


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("earthquake", {}, "no scenario is named 'earthquake'; there are: failure_wave, slow_wave"),
        ("outage", {"status": 404}, "outage: status: Input should be greater than or equal to 500"),
        ("outage", {"colour": "red"}, "outage has no parameter 'colour'; there are: ratio, account, status"),
        ("outage", {"account": "third"}, "no account is named 'third'; there are: demo, second"),
        ("key_revoked", {"key": "third"}, "no key is named 'third'; there are: demo, second"),
        (
            "garbage",
            {"kind": "x", "ratio": 2},
            "garbage: ratio: Input should be less than or equal to 1\ngarbage: kind:",
        ),
    ],
)
def test_what_cannot_be_switched_on(simulator: Simulator, name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulatorError) as error:
        simulator.scenario(name, params=params)
    assert str(error.value).startswith(message)


def test_plans_are_bounded_and_forgotten_when_over() -> None:
    schedule = Schedule()
    for _ in range(MAX_PLANNED):
        schedule.switch_on("outage", now=0.0, duration=5)
    with pytest.raises(SimulatorError, match="at most 100"):
        schedule.switch_on("outage", now=4.0)
    schedule.switch_on("outage", now=5.0)
    assert len(schedule.planned(5.0)) == 1
