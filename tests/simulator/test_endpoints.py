"""The published rules of submit, query, cancel and the account, one by one; the stream of one task."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from exporter.simulator.accounts import Account, Key
from exporter.simulator.batch import Batch
from exporter.simulator.catalogue import load_catalogue
from exporter.simulator.endpoints import parse_body, parse_submission
from exporter.simulator.errors import ApiError
from exporter.simulator.simulator import Options, Simulator
from tests.simulator.manual import ManualClock

MakeClient = Callable[..., httpx.AsyncClient]

CLIP = {"model": "sora-2", "params": {"prompt": "a cat", "duration_seconds": 5}}
RENDER = {"model": "sora-2", "params": {"prompt": "a cat", "duration_seconds": 5}, "out_task_id": "render-1"}


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code"}
    return answer.status_code, error["type"], error["code"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        pytest.param("query", b"", 400, "invalid_param", id="query: no body"),
        pytest.param("query", b"[]", 400, "invalid_param", id="query: not an object"),
        pytest.param("query", b"{", 400, "invalid_param", id="query: not JSON"),
        pytest.param("query", b"\xff", 400, "invalid_param", id="query: not UTF-8"),
        pytest.param("query", b"[" * 100_000, 400, "invalid_param", id="query: nested too deep"),
        pytest.param("query", {}, 400, "invalid_param", id="query: no id"),
        pytest.param("query", {"task_id": "", "out_task_id": ""}, 400, "invalid_param", id="query: both empty"),
        pytest.param("query", {"task_id": "a", "out_task_id": "b"}, 400, "invalid_param", id="query: both ids"),
        pytest.param("query", {"task_id": 1}, 400, "invalid_param", id="query: id is a number"),
        pytest.param("query", {"task_id": "x" * 257}, 400, "invalid_param", id="query: id too long"),
        pytest.param("query", {"task_id": "task_x"}, 404, "task_not_found", id="query: unknown task_id"),
        pytest.param("query", {"out_task_id": "x"}, 404, "task_not_found", id="query: unknown out_task_id"),
        pytest.param("cancel", b"", 400, "invalid_param", id="cancel: no id"),
        pytest.param("cancel", {"task_id": "a", "out_task_id": "b"}, 400, "invalid_param", id="cancel: both ids"),
        pytest.param("cancel/a", {"out_task_id": "b"}, 400, "invalid_param", id="cancel: both kinds of id"),
        pytest.param("cancel/a", b"", 404, "task_not_found", id="cancel: unknown"),
        pytest.param("submit", {"params": {}}, 400, "invalid_param", id="submit: no model"),
        pytest.param("submit", {"model": "sora-2"}, 400, "invalid_param", id="submit: no params"),
        pytest.param("submit", {"model": "sora-2", "params": []}, 400, "invalid_param", id="submit: params no object"),
        pytest.param("submit", {**CLIP, "stream": "yes"}, 400, "invalid_param", id="submit: stream no boolean"),
        pytest.param("submit", {**CLIP, "callback_url": 1}, 400, "invalid_param", id="submit: callback_url no string"),
        pytest.param("submit", {"model": "gpt-5-4", "params": {}}, 400, "invalid_param", id="submit: text model"),
        pytest.param("submit", {"model": "nope", "params": {}}, 400, "model_not_found", id="submit: unknown model"),
        pytest.param(
            "submit",
            {"model": "sora-2", "params": {"duration_seconds": 11}},
            400,
            "invalid_param",
            id="submit: too long",
        ),
        pytest.param(
            "submit", {"model": "sora-2", "params": {"duration_seconds": True}}, 400, "invalid_param", id="submit: bool"
        ),
        pytest.param("elsewhere", {}, 404, "not_found", id="no such route"),
    ],
)
async def test_what_is_refused(client: httpx.AsyncClient, path: str, body: Any, status: int, code: str) -> None:
    answer = await client.post(
        f"/v1/tasks/{path}", **({"content": body} if isinstance(body, bytes) else {"json": body})
    )
    assert (error_of(answer)[0], error_of(answer)[2]) == (status, code)


async def test_a_query_is_a_post(client: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await client.get("/v1/tasks/query", params={"task_id": "task_x"})
    assert error_of(answer) == (405, "invalid_request_error", "method_not_allowed")
    assert simulator.books()["traffic"]["demo"]["by_endpoint"] == {"other": {"405": 1}}


async def test_submit_answers_with_the_pending_record(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/tasks/submit", json=RENDER)
    assert answer.status_code == 200
    said = answer.json()
    assert len(said.pop("task_id")) == len("task_") + 26
    assert said == {"out_task_id": "render-1", "status": "pending", "estimated_credits": 0.42, "estimated_seconds": 85}


async def test_out_task_id_is_left_out_where_none_was_given(client: httpx.AsyncClient) -> None:
    said = (await client.post("/v1/tasks/submit", json=CLIP)).json()
    assert "out_task_id" not in said


async def test_submitting_again_finds_the_existing_task(client: httpx.AsyncClient, simulator: Simulator) -> None:
    first, again = [await client.post("/v1/tasks/submit", json=RENDER) for _ in range(2)]
    assert (again.status_code, again.json()) == (200, first.json())
    assert simulator.books()["submitted"] == 1


@pytest.mark.parametrize("change", [{"params": {"prompt": "a dog"}}, {"model": "veo-3.1"}])
@pytest.mark.parametrize("status", [409, 400])
async def test_an_out_task_id_means_one_submission(
    clock: ManualClock, client_of: MakeClient, change: dict[str, Any], status: int
) -> None:
    client = client_of(Simulator(Options(duplicate_status=status), clock=clock))
    await client.post("/v1/tasks/submit", json=RENDER)
    answer = await client.post("/v1/tasks/submit", json={**RENDER, **change})
    assert error_of(answer) == (status, "invalid_request_error", "duplicate_out_task_id")


async def test_each_status_has_its_own_fields(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    [task] = simulator.submit_many(Batch(count=1, model="sora-2-pro", latency_seconds=100, eta_seconds=35))
    ids = {"task_id": task.task_id}
    estimates = {"estimated_credits": 1.16, "estimated_seconds": 35}

    assert (await client.post("/v1/tasks/query", json=ids)).json() == {**ids, "status": "pending", **estimates}
    clock.pass_by(50)
    assert (await client.post("/v1/tasks/query", json=ids)).json() == {**ids, "status": "running", **estimates}
    clock.pass_by(50)
    said = (await client.post("/v1/tasks/query", json=ids)).json()
    assert 1.10 <= said.pop("credits_used") <= 1.16
    url = f"https://cdn.bytespike.ai/multimodal/sora-2-pro/2025-11-24/{task.task_id[5:]}.mp4"
    video = {"type": "video", "url": url, "duration_seconds": 5, "width": 1920, "height": 1080}
    assert said == {**ids, "status": "completed", "output": [video]}


async def test_a_failed_task_is_a_200_without_a_bill(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    simulator.submit_many(Batch(count=1, failure_ratio=1.0, out_task_id_prefix="f"))
    clock.pass_by(10)
    answer = await client.post("/v1/tasks/query", json={"out_task_id": "f0"})
    said = answer.json()
    assert (answer.status_code, said.pop("task_id")[:5]) == (200, "task_")
    assert said == {
        "out_task_id": "f0",
        "status": "failed",
        "error_code": "content_policy_violation",
        "error_message": "The prompt was rejected under content policy.",
    }


async def test_images_come_one_item_each(client: httpx.AsyncClient, clock: ManualClock) -> None:
    body = {"model": "seedream-v4", "params": {"n": 3}, "out_task_id": "pictures"}
    await client.post("/v1/tasks/submit", json=body)
    clock.pass_by(3600)
    output = (await client.post("/v1/tasks/query", json={"out_task_id": "pictures"})).json()["output"]
    assert [item["type"] for item in output] == ["image"] * 3
    assert len({item["url"] for item in output}) == 3


@pytest.mark.parametrize("eta", [None, 0])
async def test_an_estimate_may_be_null_or_zero(
    client: httpx.AsyncClient, simulator: Simulator, eta: int | None
) -> None:
    simulator.submit_many(Batch(count=1, eta_seconds=eta, out_task_id_prefix="e"))
    said = (await client.post("/v1/tasks/query", json={"out_task_id": "e0"})).json()
    assert said["estimated_seconds"] == eta


@pytest.mark.parametrize("path", ["query", "cancel"])
async def test_another_keys_task_is_unknown(simulator: Simulator, client_of: MakeClient, path: str) -> None:
    [task] = simulator.submit_many(Batch(count=1, account="demo", out_task_id_prefix="mine"))
    stranger = client_of(simulator, {"x-api-key": "sk-byts-second"})
    for name in ({"task_id": task.task_id}, {"out_task_id": "mine0"}):
        answer = await stranger.post(f"/v1/tasks/{path}", json=name)
        assert error_of(answer) == (404, "not_found_error", "task_not_found")


@pytest.mark.parametrize("how", ["path", "task_id", "out_task_id", "path beats body"])
async def test_a_pending_task_is_cancelled_for_free(client: httpx.AsyncClient, simulator: Simulator, how: str) -> None:
    [task] = simulator.submit_many(Batch(count=1, out_task_id_prefix="c", latency_seconds=100, eta_seconds=35))
    path, body = {
        "path": (f"/v1/tasks/cancel/{task.task_id}", None),
        "task_id": ("/v1/tasks/cancel", {"task_id": task.task_id}),
        "out_task_id": ("/v1/tasks/cancel", {"out_task_id": "c0"}),
        "path beats body": (f"/v1/tasks/cancel/{task.task_id}", {"task_id": "task_other"}),
    }[how]
    assert (await client.post(path, json=body) if body else await client.post(path)).json() == {
        "task_id": task.task_id,
        "out_task_id": "c0",
        "status": "cancelled",
        "estimated_credits": 0.42,
        "estimated_seconds": 35,
    }
    assert simulator.books()["credits_used"] == 0


@pytest.mark.parametrize(("seconds", "billed"), [(40, False), (90, True)])
async def test_cancelling_a_running_task_may_bill_the_part_done(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock, seconds: float, billed: bool
) -> None:
    [task] = simulator.submit_many(Batch(count=1, latency_seconds=100))
    clock.pass_by(seconds)
    said = (await client.post(f"/v1/tasks/cancel/{task.task_id}")).json()
    assert said["status"] == "cancelled"
    assert ("credits_used" in said, "estimated_credits" in said) == (billed, not billed)
    assert simulator.books()["credits_used_by_status"] == ({"cancelled": said["credits_used"]} if billed else {})


@pytest.mark.parametrize("batch", [Batch(count=1), Batch(count=1, failure_ratio=1.0), Batch(count=1, cancel_ratio=1.0)])
async def test_cancelling_an_ended_task_changes_nothing(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock, batch: Batch
) -> None:
    [task] = simulator.submit_many(batch)
    clock.pass_by(10)
    name = {"task_id": task.task_id}
    before, books = (await client.post("/v1/tasks/query", json=name)).json(), simulator.books()["outcomes"]
    answer = await client.post("/v1/tasks/cancel", json=name)
    assert (answer.status_code, answer.json()) == (200, before)
    assert simulator.books()["outcomes"] == books


async def test_a_key_reaches_the_models_of_its_group(clock: ManualClock, client_of: MakeClient) -> None:
    accounts = [Account("demo", (Key("demo", "sk-byts-demo", models=("veo-3.1",)),))]
    client = client_of(Simulator(clock=clock, accounts=accounts))
    answer = await client.post("/v1/tasks/submit", json=CLIP)
    assert error_of(answer) == (403, "permission_error", "model_not_in_group")
    assert (await client.post("/v1/tasks/submit", json={**CLIP, "model": "veo-3.1"})).status_code == 200


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (Account("demo", (Key("demo", "sk-byts-demo"),), balance=0.41), "insufficient_balance"),
        (Account("demo", (Key("demo", "sk-byts-demo", quota=0.41),)), "quota_exceeded"),
    ],
)
async def test_what_cannot_be_paid_is_refused_up_front(
    clock: ManualClock, client_of: MakeClient, account: Account, code: str
) -> None:
    client = client_of(Simulator(clock=clock, accounts=[account]))
    answer = await client.post("/v1/tasks/submit", json=CLIP)
    assert error_of(answer) == (402, "payment_required_error", code)


async def test_the_account_shows_holds_and_then_the_bill(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    simulator.submit_many(Batch(count=1, model="sora-2"))
    held = (await client.get("/api/v1/me/account")).json()
    assert held["balance"] == {
        "available_usd": 999_999.58,
        "lifetime_topup_usd": 1_000_000.0,
        "lifetime_spent_usd": 0.0,
        "low_balance_threshold_usd": 5.0,
        "low_balance_flagged": False,
    }
    assert (set(held), held["org"]) == ({"user", "balance", "allowed_models", "org"}, None)
    clock.pass_by(10)
    balance = (await client.get("/api/v1/me/account")).json()["balance"]
    assert balance["lifetime_spent_usd"] == simulator.books()["credits_used"] > 0
    assert balance["available_usd"] == pytest.approx(1_000_000 - balance["lifetime_spent_usd"])


def test_no_depth_of_nesting_is_too_much() -> None:
    catalogue, told = load_catalogue(), set()
    for depth in range(1, 1100):
        body = b'{"model": "sora-2", "params": {"a": %s%s}}' % (b"[" * depth, b"]" * depth)
        try:
            parse_submission(parse_body(body), catalogue)
        except ApiError as error:
            told.add((error.code, error.message))
    assert told <= {
        ("invalid_param", "The body must be a JSON object."),
        ("invalid_param", "params is nested too deep."),
    }


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
async def test_a_stream_of_an_unknown_task(simulator: Simulator, client_of: MakeClient, task_id: str | None) -> None:
    [task] = simulator.submit_many(Batch(count=1))
    stranger = client_of(simulator, {"x-api-key": "sk-byts-second"})
    assert (await stranger.get(f"/v1/tasks/stream/{task_id or task.task_id}")).status_code == 404
