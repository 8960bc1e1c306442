"""Keys, sizes, concurrency and the money headers: what holds for every request."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from exporter.simulator.accounts import Account, Key
from exporter.simulator.answers import ErrorShape
from exporter.simulator.batch import Batch
from exporter.simulator.simulator import Options, Simulator
from tests.simulator.manual import START, ManualClock

MakeClient = Callable[..., httpx.AsyncClient]

QUERY = {"out_task_id": "x0"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer sk-byts-demo"}, 200),
        ({"authorization": "bearer sk-byts-demo"}, 200),
        ({"x-api-key": "sk-byts-demo"}, 200),
        ({"x-api-key": "sk-byts-demo", "authorization": "Bearer sk-byts-wrong"}, 200),
        ({"x-api-key": "sk-byts-wrong", "authorization": "Bearer sk-byts-demo"}, 401),
        ({"x-api-key": "", "authorization": "Bearer sk-byts-demo"}, 401),
        ({"authorization": "Basic sk-byts-demo"}, 401),
        ({"authorization": "sk-byts-demo"}, 401),
        ({}, 401),
    ],
)
async def test_which_key_counts(
    simulator: Simulator, client_of: MakeClient, headers: dict[str, str], status: int
) -> None:
    simulator.submit_many(Batch(count=1, out_task_id_prefix="x"))
    answer = await client_of(simulator, headers).post("/v1/tasks/query", json=QUERY)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"]["code"] == "invalid_api_key"


async def test_a_stranger_on_a_wrong_path(simulator: Simulator, client_of: MakeClient) -> None:
    answer = await client_of(simulator, {}).get("/v1/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert simulator.books()["traffic"][""]["by_endpoint"] == {"other": {"404": 1}}


async def test_a_revoked_key_is_refused_until_it_is_restored(simulator: Simulator, client: httpx.AsyncClient) -> None:
    statuses = []
    for change in (simulator.revoke, simulator.restore):
        change("demo")
        statuses.append((await client.get("/api/v1/me/account")).status_code)
    assert statuses == [401, 200]
    assert simulator.books()["traffic"]["demo"]["by_endpoint"] == {"account": {"200": 1, "401": 1}}


async def test_errors_in_the_other_envelope(clock: ManualClock, client_of: MakeClient) -> None:
    client = client_of(Simulator(Options(error_shape=ErrorShape.ANTHROPIC), clock=clock), {})
    said = (await client.post("/v1/tasks/query")).json()
    assert said == {
        "type": "error",
        "error": {"type": "authentication_error", "message": "The API key is missing, mistyped or revoked."},
    }


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(17):
        yield b" " * (1 << 16)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_one_mebibyte_is_refused(client: httpx.AsyncClient, chunked: bool) -> None:
    answer = await client.post("/v1/tasks/query", content=_chunks() if chunked else b" " * ((1 << 20) + 1))
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")


async def test_a_body_of_one_mebibyte_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/tasks/query", content=b" " * (1 << 20))
    assert answer.status_code == 400


async def test_concurrency_counts_the_requests_in_flight_of_all_keys(clock: ManualClock, client_of: MakeClient) -> None:
    keys = (Key("a", "sk-byts-aaa"), Key("b", "sk-byts-bbb"))
    simulator = Simulator(Options(response_latency=1.0), clock=clock, accounts=[Account("free", keys, concurrency=5)])
    clients = [client_of(simulator, {"x-api-key": key.key}) for key in keys]
    requests = [asyncio.create_task(clients[n % 2].get("/api/v1/me/account")) for n in range(7)]
    await clock.settle()
    assert simulator.books()["traffic"]["free"]["in_flight"] == 5
    await clock.advance(1.0)
    answers = await asyncio.gather(*requests)

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[6].json()["error"]["type"] == "rate_limit_error"
    assert answers[6].json()["error"]["code"] == "concurrency_limit"
    traffic = simulator.books()["traffic"]["free"]
    assert traffic == {
        "requests": 7,
        "in_flight": 0,
        "max_concurrent": 6,
        "by_endpoint": {"account": {"200": 5, "429": 2}},
    }


async def test_money_headers_show_the_tightest_bucket_with_two_decimals(
    clock: ManualClock, client_of: MakeClient
) -> None:
    key = Key("demo", "sk-byts-demo", quota=200, rate_limit_5h=50, rate_limit_1d=10.5)
    client = client_of(Simulator(clock=clock, accounts=[Account("demo", (key,), balance=8420.65, org=True)]))
    for answer in [
        await client.get("/api/v1/me/account"),
        await client.post("/v1/tasks/query"),
        await client.get("/x"),
    ]:
        assert {name: value for name, value in answer.headers.items() if name.startswith("x-")} == {
            "x-ratelimit-limit": "10.50",
            "x-ratelimit-remaining": "10.50",
            "x-ratelimit-reset": str(int(START) + 86400),
            "x-quota-remaining-credits": "200.00",
            "x-org-quota-remaining-credits": "8420.65",
        }


@pytest.mark.parametrize("headers", [{"x-api-key": "sk-byts-demo"}, {"x-api-key": "sk-byts-wrong"}])
async def test_no_money_headers_without_caps_or_a_known_key(
    simulator: Simulator, client_of: MakeClient, headers: dict[str, str]
) -> None:
    answer = await client_of(simulator, headers).get("/api/v1/me/account")
    assert not [name for name in answer.headers if name.startswith("x-")]


async def test_a_spent_window_refuses_until_it_resets(clock: ManualClock, client_of: MakeClient) -> None:
    key = Key("demo", "sk-byts-demo", rate_limit_5h=0.30)
    simulator = Simulator(clock=clock, accounts=[Account("demo", (key,))])
    client = client_of(simulator)
    simulator.submit_many(Batch(count=1, model="sora-2", latency_seconds=10, out_task_id_prefix="x"))
    clock.pass_by(10)
    answer = await client.post("/v1/tasks/query", json=QUERY)
    assert answer.status_code == 429
    assert answer.json()["error"]["message"] == (
        "rate_limit_5h exceeded: 0.30 / 0.30 used; resets at 2025-11-24 21:00:10 UTC"
    )
    assert answer.headers["x-ratelimit-remaining"] == "0.00"
    assert answer.headers["x-ratelimit-reset"] == str(int(START) + 10 + 5 * 3600)
    body = {"model": "sora-2", "params": {}}
    assert (await client.post("/v1/tasks/submit", json=body)).status_code == 429
    assert (await client.post("/v1/tasks/query", json={"out_task_id": "other"})).status_code == 404
    clock.pass_by(5 * 3600)
    assert (await client.post("/v1/tasks/query", json=QUERY)).status_code == 200


async def test_a_client_that_leaves_is_booked(simulator: Simulator) -> None:
    from exporter.simulator.app import create_app

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        raise AssertionError("nobody is there")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/tasks/query",
        "headers": [(b"x-api-key", b"sk-byts-demo")],
        "query_string": b"",
    }
    await create_app(simulator)(scope, receive, send)
    assert simulator.books()["traffic"]["demo"]["by_endpoint"] == {"query": {"499": 1}}
