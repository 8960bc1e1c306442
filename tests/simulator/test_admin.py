"""The admin routes: what they answer, what they refuse, and whom."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from exporter.simulator.batch import Batch
from exporter.simulator.books import MAX_WINDOWS, Traffic
from exporter.simulator.simulator import Simulator
from tests.simulator.manual import START, ManualClock

MakeClient = Callable[..., httpx.AsyncClient]


async def test_a_batch_is_submitted_and_listed(client: httpx.AsyncClient, clock: ManualClock) -> None:
    body = {"count": 3, "account": "second", "latency_seconds": 5, "spread_seconds": 10, "out_task_id_prefix": "b-"}
    answer = await client.post("/sim/tasks", json=body)
    assert answer.status_code == 201
    assert answer.json()["out_task_ids"] == ["b-0", "b-1", "b-2"]
    clock.pass_by(5)
    page = (await client.get("/sim/tasks", params={"limit": 2})).json()
    assert (page["total"], page["next_offset"], len(page["tasks"])) == (3, 2, 2)
    assert [task["task_id"] for task in page["tasks"]] == answer.json()["task_ids"][:2]
    first = page["tasks"][0]
    assert first.pop("task_id").startswith("task_")
    assert first.pop("credits_used") in (0.4, 0.41, 0.42)
    assert first == {
        "out_task_id": "b-0",
        "account": "second",
        "key": "second",
        "model": "sora-2",
        "status": "completed",
        "submitted_at": START,
        "estimated_seconds": 5,
        "estimated_credits": 0.42,
        "ended_at": START + 5,
        "error_code": None,
        "tag": "",
        "poison": None,
        "queries": 0,
        "max_queries_per_minute": 0,
        "detection_seconds": None,
    }
    rest = (await client.get("/sim/tasks", params={"offset": 2})).json()
    assert (rest["next_offset"], rest["tasks"][0]["status"], rest["tasks"][0]["ended_at"]) == (None, "running", None)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("tasks", b"{", "the body is not JSON"),
        ("tasks", b"[]", "body: Input should be a valid dictionary"),
        ("tasks", {"count": 0, "colour": 1}, "batch: count: Input should be greater than or equal to 1"),
        ("tasks", {"count": 1, "model": "gpt-5-4"}, "no image or video model is named 'gpt-5-4'; there are: sora-2,"),
        ("tasks", {"count": 1, "key": "demo", "account": "second"}, "key 'demo' does not belong to account 'second'"),
        ("tasks?limit=0", None, "limit: a whole number from 1 to 10000 is needed"),
        pytest.param(f"tasks?offset={'9' * 5000}", None, "offset: a whole number from 0", id="many digits"),
        ("tasks?offset=x", None, "offset: a whole number from 0"),
        ("scenarios", {"name": "outage", "colour": 1}, "unknown: colour"),
        ("scenarios", {"name": 1}, "name: Input should be a valid string"),
        ("scenarios", {"name": "outage", "duration_seconds": -1}, "duration_seconds: Input should be greater than"),
        ("keys/third/revoke", {}, "no key is named 'third'"),
        ("keys/third/restore", {}, "no key is named 'third'"),
    ],
)
async def test_what_an_admin_gets_wrong(client: httpx.AsyncClient, path: str, body: Any, message: str) -> None:
    how = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = await (client.get(f"/sim/{path}") if body is None else client.post(f"/sim/{path}", **how))
    assert answer.status_code == 400
    assert answer.text.startswith(message)


async def test_a_repeated_batch_finds_its_tasks_or_clashes(client: httpx.AsyncClient) -> None:
    body = {"count": 2, "out_task_id_prefix": "b-"}
    first, again = [(await client.post("/sim/tasks", json=body)).json() for _ in range(2)]
    assert first == again
    submission = {"model": "sora-2", "params": {}, "out_task_id": "c-0"}
    await client.post("/v1/tasks/submit", json=submission)
    assert (await client.post("/sim/tasks", json={"count": 1, "out_task_id_prefix": "c-"})).status_code == 409


async def test_scenarios_over_http(client: httpx.AsyncClient) -> None:
    body = {"name": "outage", "duration_seconds": 60, "after_seconds": 5, "params": {"status": 502}}
    answer = await client.post("/sim/scenarios", json=body)
    params = {"ratio": 1.0, "account": "", "status": 502}
    outage = {"name": "outage", "active": False, "start": START + 5, "end": START + 65, "params": params}
    assert (answer.status_code, answer.json()) == (201, outage)
    assert (await client.get("/sim/scenarios")).json() == [outage]
    assert [(await client.delete("/sim/scenarios/outage")).status_code for _ in range(2)] == [204, 404]
    assert (await client.get("/sim/scenarios")).json() == []


async def test_keys_over_http(client: httpx.AsyncClient) -> None:
    statuses = []
    for action in ("revoke", "restore"):
        statuses.append((await client.post(f"/sim/keys/demo/{action}")).status_code)
        statuses.append((await client.get("/api/v1/me/account")).status_code)
    assert statuses == [204, 401, 204, 200]


async def test_targets_are_grouped_by_model(
    client: httpx.AsyncClient, simulator: Simulator, clock: ManualClock
) -> None:
    simulator.submit_many(Batch(count=1, model="veo-3.1", latency_seconds=10))
    simulator.submit_many(Batch(count=2, model="sora-2", latency_seconds=10_000, out_task_id_prefix="s"))
    [other] = simulator.submit_many(Batch(count=1, account="second", latency_seconds=10_000))
    items = (await client.get("/sim/sd", params={"account": "demo"})).json()
    assert [item["model"] for item in items] == ["sora-2", "veo-3.1"]
    assert (items[0]["task_ids"], items[0]["out_task_ids"]) == ([], ["s0", "s1"])
    assert (len(items[1]["task_ids"]), items[1]["out_task_ids"]) == (1, [])
    clock.pass_by(100)
    items = (await client.get("/sim/sd", params={"finished_within": 60})).json()
    assert items == [{"task_ids": [other.task_id], "out_task_ids": ["s0", "s1"], "model": "sora-2"}]


async def test_books_and_the_log_of_requests(client: httpx.AsyncClient, clock: ManualClock) -> None:
    await client.get("/api/v1/me/account")
    clock.pass_by(10)
    await client.post("/v1/tasks/query")
    await client.post("/v1/tasks/query", headers={"x-api-key": "sk-byts-wrong"})
    books = (await client.get("/sim/books")).json()
    assert books["traffic"] == {
        "": {"requests": 1, "in_flight": 0, "max_concurrent": 1, "by_endpoint": {"query": {"401": 1}}},
        "demo": {
            "requests": 2,
            "in_flight": 0,
            "max_concurrent": 1,
            "by_endpoint": {"account": {"200": 1}, "query": {"400": 1}},
        },
    }
    assert (await client.get("/sim/traffic")).json() == [
        {"start": START, "account": "demo", "endpoint": "account", "status": 200, "count": 1},
        {"start": START + 10, "account": "", "endpoint": "query", "status": 401, "count": 1},
        {"start": START + 10, "account": "demo", "endpoint": "query", "status": 400, "count": 1},
    ]


def test_the_log_keeps_a_day() -> None:
    traffic = Traffic()
    for number in range(MAX_WINDOWS + 5):
        with traffic.track("a", "query", now=number * 10.0) as tracked:
            tracked.status = 200
    assert len(traffic.log()) == MAX_WINDOWS
    assert (traffic.requests("a"), traffic.requests("b")) == (MAX_WINDOWS + 5, 0)


async def test_admins_come_from_this_machine(simulator: Simulator, client_of: MakeClient) -> None:
    stranger = client_of(simulator, client=("192.0.2.1", 4711))
    for method, path in [("GET", "books"), ("POST", "keys/demo/revoke"), ("GET", "nothing")]:
        assert (await stranger.request(method, f"/sim/{path}")).status_code == 403
    assert (await stranger.get("/api/v1/me/account")).status_code == 200


async def test_an_admin_request_is_bounded(client: httpx.AsyncClient) -> None:
    assert (await client.post("/sim/tasks", content=b" " * 70_000)).status_code == 413
