"""``/probe``: one task asked about now, and nothing else changed by it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from exporter.web import probe
from tests.support.api_rig import CONFIG, Upstream, api_rig

RUNNING = {"status": "running", "estimated_seconds": 30, "estimated_credits": 1.5}


@asynccontextmanager
async def never_permitted() -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield


def samples(page: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def test_a_task_that_nobody_follows(tmp_path: Path) -> None:
    async with api_rig(tmp_path, upstream=Upstream({"x1": {**RUNNING, "task_id": "t1"}})) as rig:
        answer = await rig.client.get("/probe?account=one&out_task_id=x1")
        assert answer.status_code == 200
        page = samples(answer.text)
        labels = 'account="one",group="",model="",out_task_id="x1",task_id="t1",team=""'
        assert page["probe_success"] == 1
        assert page["probe_duration_seconds"] >= 0
        assert page[f"bytespike_task_eta_seconds{{{labels}}}"] == 30
        assert page[f"bytespike_task_credits_estimated{{{labels}}}"] == 1.5
        assert not any(
            name.startswith(("bytespike_tasks", "bytespike_task_elapsed", "bytespike_exporter")) for name in page
        )
        assert await rig.followed() == []


async def test_a_followed_task_has_its_labels_and_its_books_are_left_alone(tmp_path: Path) -> None:
    upstream = Upstream({"t1": RUNNING})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.register("t1")
        await rig.clock.advance(6)
        upstream.records["t1"] = {"status": "completed", "credits_used": 1.25}
        page = (await rig.client.get("/probe?task_id=t1")).text
        assert 'bytespike_task_credits_used{account="one",group="renders",model="sora-2"' in page
        assert "bytespike_task_elapsed_seconds{" in page
        assert (await rig.client.get("/api/v1/tasks/t1")).json()["status"] == "running"
        await rig.clock.advance(20)
        assert (await rig.client.get("/api/v1/tasks/t1")).json()["status"] == "completed"


async def test_a_task_that_the_api_does_not_know(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        page = samples((await rig.client.get("/probe?task_id=t1")).text)
        assert page["probe_success"] == 0
        assert next(value for name, value in page.items() if 'status="not_found"' in name) == 1


async def test_no_answer(tmp_path: Path) -> None:
    upstream = Upstream(fault=httpx.ConnectError("refused"))
    async with api_rig(tmp_path, upstream=upstream) as rig:
        answer = await rig.client.get("/probe?task_id=t1")
        assert answer.status_code == 200
        assert set(samples(answer.text)) == {"probe_success", "probe_duration_seconds"}
        assert samples(answer.text)["probe_success"] == 0


async def test_a_suspended_account_is_not_waited_for(tmp_path: Path) -> None:
    async with api_rig(tmp_path, CONFIG.replace("KEY", "NO_KEY")) as rig:
        answer = await rig.client.get("/probe?task_id=t1&debug=true")
        assert "no answer: the account is held back: invalid_api_key" in answer.text
        assert "probe_success 0.0" in answer.text


@pytest.mark.parametrize(
    ("slots", "words"),
    [(1, "no answer: 0.1 s were not enough for an answer"), (0, "polls go first: no turn within 0.1 s")],
)
async def test_it_gives_up_before_the_scrape_does(
    tmp_path: Path, slots: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with api_rig(tmp_path) as rig:
        account = rig.exporter.accounts.account("one")

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        if slots:
            monkeypatch.setattr(account._client, "query", never)
        else:
            monkeypatch.setattr(account, "permit_aside", never_permitted)
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.55"}
        answer = await rig.client.get("/probe?task_id=t1&debug=true", headers=headers)
        assert (answer.status_code, answer.headers.get("retry-after")) == ((200, None) if slots else (503, "5"))
        assert words in answer.text
        assert account.in_flight == 0


@pytest.mark.parametrize(
    ("told", "seconds"), [("10", 9.5), ("0.2", 0.1), ("600", 60), ("soon", 10), ("nan", 10), ("inf", 10), ("-1", 0.1)]
)
def test_how_long_a_probe_may_take(told: str, seconds: float) -> None:
    assert probe._timeout({"x-prometheus-scrape-timeout-seconds": told}) == seconds


async def test_so_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api_rig(tmp_path) as rig:
        account = rig.exporter.accounts.account("one")
        monkeypatch.setattr(account, "permit_aside", never_permitted)
        probes = [asyncio.create_task(rig.client.get("/probe?task_id=t1")) for _ in range(probe.AT_ONCE)]
        await asyncio.sleep(0.01)
        refused = await rig.client.get("/probe?task_id=t1")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        for task in probes:
            task.cancel()
        await asyncio.gather(*probes, return_exceptions=True)


async def test_an_account_that_is_taken_out_while_a_probe_waits(tmp_path: Path) -> None:
    two = 'accounts: [{name: one, base_url: "http://upstream.test", api_key_env: KEY, max_requests_per_second: 1}, '
    two += '{name: two, base_url: "http://upstream.test", api_key_env: KEY}]\n'
    async with api_rig(tmp_path, two) as rig:
        assert (await rig.client.get("/probe?account=one&task_id=t1")).status_code == 200
        waiting = asyncio.create_task(rig.client.get("/probe?account=one&task_id=t2"))
        await rig.clock.settle()
        assert not waiting.done()
        await rig.reload(two.replace("{name: one, ", "{name: three, "))
        await rig.clock.advance(5)
        answer = await waiting
        assert answer.status_code == 200
        assert samples(answer.text)["probe_success"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "",
        "account=one",
        "task_id=",
        "task_id=a%20b",
        "task_id=a&out_task_id=b",
        "task_id=a&task_id=b",
        "task_id=a&account=two",
        "task_id=a&account=",
        "task_id=a&target=http://evil.test",
    ],
)
async def test_a_wrong_question_is_not_asked(tmp_path: Path, query: str) -> None:
    async with api_rig(tmp_path) as rig:
        assert (await rig.client.get(f"/probe?{query}")).status_code == 400
        assert rig.upstream.asked == []


async def test_a_trace_for_people(tmp_path: Path) -> None:
    upstream = Upstream({"t1": {"status": "failed", "error_code": "content_policy_violation", "out_task_id": 7}})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        answer = await rig.client.get("/probe?task_id=t1&debug=true")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text.startswith("account one at http://upstream.test\nasked for t1\n")
        for said in (
            "s  answered: failed",
            "not as documented: mistyped_field",
            "error code: content_policy_violation",
        ):
            assert said in answer.text
        assert "probe_success 1.0" in answer.text
        assert "sk-byts" not in answer.text
        upstream.records.clear()
        await rig.clock.advance(1)
        assert "answered: the API does not know the task" in (await rig.client.get("/probe?task_id=t1&debug=true")).text


async def test_formats_and_gzip(tmp_path: Path) -> None:
    async with api_rig(tmp_path, upstream=Upstream({"t1": RUNNING})) as rig:
        headers = {"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"}
        answer = await rig.client.get("/probe?task_id=t1", headers=headers)
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")


# ---- polls go first, and what a probe meets is its own ---------------------------------------------------------------


@pytest.mark.slow
async def test_strangers_leave_the_budget_to_the_polls(tmp_path: Path) -> None:
    """Six that ask all the time have had four fifths of it."""
    tasks = [f"t{number}" for number in range(100)]
    upstream = Upstream(dict.fromkeys((*tasks, "x"), RUNNING))
    config = CONFIG.replace("api_key_env: KEY", "api_key_env: KEY, max_requests_per_second: 4")
    async with api_rig(tmp_path, config, upstream=upstream) as rig:
        await rig.register(*tasks)

        async def stranger() -> None:
            while True:
                await rig.client.get("/probe?task_id=x", headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"})
                await rig.clock.sleep(0.1)

        strangers = [asyncio.create_task(stranger()) for _ in range(6)]
        upstream.asked.clear()
        for _ in range(60):
            await rig.clock.advance(0.5)
        asked = Counter(upstream.asked)
        for task in strangers:
            task.cancel()
        await asyncio.gather(*strangers, return_exceptions=True)
    assert asked.total() <= 4 * 30 + 1
    assert asked["x"] <= asked.total() / 4 + 1


@pytest.mark.parametrize("fault", [400, 500])
async def test_what_one_task_meets_is_not_the_accounts(tmp_path: Path, fault: int) -> None:
    upstream = Upstream({"t1": RUNNING}, statuses={"x": fault})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.register("t1")
        await rig.clock.advance(6)
        account = rig.exporter.accounts.account("one")
        for _ in range(20):
            page = samples((await rig.client.get("/probe?task_id=x")).text)
            assert page["probe_success"] == 0
            await rig.clock.advance(1)
            assert account.up
            assert account.suspension is None
            assert account._gate.is_open


@pytest.mark.parametrize("status", [401, 402, 403, 429])
async def test_what_the_api_says_of_the_account_holds_for_it_whoever_hears_it(tmp_path: Path, status: int) -> None:
    upstream = Upstream(statuses={"x": status})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.client.get("/probe?task_id=x")
        account = rig.exporter.accounts.account("one")
        assert (account.suspension is not None, account.up) == (True, False)
        upstream.statuses.clear()
        upstream.records["x"] = RUNNING
        await rig.clock.advance(40)
        assert samples((await rig.client.get("/probe?task_id=x")).text)["probe_success"] == 1
        found = account.suspension is None, account.up
        assert found == (True, True), "where nothing is polled, a probe is the one to find out"
