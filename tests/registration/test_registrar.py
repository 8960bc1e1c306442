"""Registrations through the life of an exporter: restarts, reloads, retention, and limits on what waits."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from exporter.ledger.ledger import LedgerError
from exporter.registration import registrar
from exporter.registration.registrar import ClosedError
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from tests.support.api_rig import CONFIG, Rig, Upstream, api_rig

WITHOUT_API = CONFIG.replace(", api_config: {}", "")
FINISHED = (
    'bytespike_tasks_finished_total{account="one",group="renders",model="sora-2",status="completed",team="video"}'
)


async def finished(rig: Rig) -> float:
    page = await rig.metrics()
    return next(float(line.split()[-1]) for line in page.splitlines() if line.startswith(FINISHED))


async def test_a_restart_follows_on_with_what_was_said(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        await rig.register("t1", model="veo", labels={"team": "trailers"}, submitted_at="2026-05-25T08:30:00Z")
        before = (await rig.client.get("/api/v1/tasks/t1")).json()
    async with api_rig(tmp_path, clock=rig.clock) as rig:
        after = (await rig.client.get("/api/v1/tasks/t1")).json()
        assert after == before
        assert (await rig.register("t1"))["tasks"][0]["result"] == "already_registered"


async def test_what_was_removed_stays_so(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        await rig.register("t1", "t2")
        await rig.client.delete("/api/v1/tasks/t1")
    async with api_rig(tmp_path) as rig:
        assert await rig.followed() == ["t2"]


async def test_a_group_that_lost_its_api_keeps_its_rows_unfollowed(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        await rig.register("t1")
        await rig.reload(WITHOUT_API)
        assert await rig.followed() == []
    async with api_rig(tmp_path, WITHOUT_API) as rig:
        assert await rig.followed() == []
        await rig.reload(CONFIG)
        assert await rig.followed() == ["t1"]


async def test_a_group_under_another_account_does_not_ask_for_the_old_ones_tasks(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        await rig.register("t1")
        await rig.reload(CONFIG.replace("name: one", "name: two"))
        assert await rig.followed() == []


async def test_a_reload_changes_what_the_group_says(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        await rig.register("t1")
        await rig.reload(CONFIG.replace("sora-2", "veo"))
        assert (await rig.client.get("/api/v1/tasks/t1")).json()["model"] == "veo"


async def test_ended_tasks_leave_after_the_retention_and_are_never_counted_again(tmp_path: Path) -> None:
    upstream = Upstream({"t1": {"status": "completed"}, "t2": {"status": "running"}})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.register("t1", "t2", "missing")
        await rig.clock.advance(20)
        assert await rig.followed() == ["t1", "t2", "missing"]
        assert (await rig.client.get("/api/v1/tasks/missing")).json()["status"] == "not_found"
        assert await finished(rig) == 1
        rig.clock.suspend(3600)
        await until(rig, ["t2"])
        await rig.register("t1")
        assert (await rig.client.get("/api/v1/tasks/t1")).json()["status"] == "completed"
        assert await finished(rig) == 1
    async with api_rig(tmp_path, clock=rig.clock, upstream=upstream) as rig:
        assert await rig.followed() == ["t2", "t1"]
        assert await finished(rig) == 1


async def test_nothing_leaves_before_its_outcome_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = Upstream({"t1": {"status": "completed"}})
    async with api_rig(tmp_path, CONFIG.replace("retention: 1h", "retention: 1s"), upstream=upstream) as rig:
        await rig.register("t1")

        def fail(*_args: object, **_kwargs: object) -> None:
            raise LedgerError("full")

        monkeypatch.setattr(rig.ledger, "commit", fail)
        for _ in range(10):
            await rig.clock.advance(2)
            await asyncio.sleep(0.01)
        assert await rig.followed() == ["t1"]
        monkeypatch.undo()
        await until(rig, [])


async def until(rig: Rig, followed: list[str]) -> None:
    for _ in range(2_000):
        await rig.clock.advance(10)
        await asyncio.sleep(0.01)
        if await rig.followed() == followed:
            return
    raise AssertionError(await rig.followed())


@pytest.mark.slow
async def test_a_ledger_that_cannot_give_up_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = Upstream({"t1": {"status": "completed"}})
    async with api_rig(tmp_path, CONFIG.replace("retention: 1h", "retention: 1s"), upstream=upstream) as rig:
        await rig.register("t1")

        def fail(*_args: object, **_kwargs: object) -> None:
            raise RuntimeError("a driver's fault")

        monkeypatch.setattr(rig.ledger, "unregister", fail)
        for _ in range(10):
            await rig.clock.advance(2)
            await asyncio.sleep(0.01)
        assert await rig.followed() == ["t1"]
        assert rig.exporter.faults == ()
        monkeypatch.undo()
        await until(rig, [])


async def test_requests_at_once_share_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api_rig(tmp_path) as rig:
        ledger = rig.ledger
        commits: list[int] = []
        register = ledger.register

        def counted(new: Sequence[Registration], *args: Any, **more: Any) -> Any:
            commits.append(len(new))
            return register(new, *args, **more)

        monkeypatch.setattr(ledger, "register", counted)
        answers = await asyncio.gather(*(rig.register(f"t{n % 20}") for n in range(30)))
        results = [answer["tasks"][0]["result"] for answer in answers]
        assert (results.count("registered"), results.count("already_registered")) == (20, 10)
        assert sum(commits) == 20
        assert len(commits) < 20


async def test_a_request_that_nobody_waits_for_any_more_is_served_all_the_same(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        registration = Registration("renders", TaskRef("one", "t1"), 0.0)
        waiting = asyncio.create_task(rig.exporter.registrations.register([registration]))
        await asyncio.sleep(0)
        waiting.cancel()
        await rig.register("t2")
        assert await rig.followed() == ["t1", "t2"]


async def test_a_group_that_goes_while_a_registration_waits(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        registrar = rig.exporter.registrations
        with pytest.raises(ClosedError, match="gone takes no registrations"):
            await registrar.register([Registration("gone", TaskRef("one", "t1"), 0.0)])
        with pytest.raises(ClosedError):
            await registrar.register([Registration("renders", TaskRef("another", "t1"), 0.0)])


async def test_what_is_offered_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registrar, "WAITING", 3)
    async with api_rig(tmp_path) as rig:
        for number in range(10):
            rig.exporter.registrations.offer(Registration("renders", TaskRef("one", f"t{number}"), 0.0))
        rig.exporter.registrations.offer(Registration("gone", TaskRef("one", "t"), 0.0))
        await rig.register("last")
        assert await rig.followed() == ["t0", "t1", "t2", "last"]
        page = await rig.metrics()
        assert 'bytespike_exporter_sd_refresh_failures_total{group="renders",mechanism="api"} 7.0' in page


@pytest.mark.slow
async def test_a_fault_below_is_an_answer_and_the_loop_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api_rig(tmp_path) as rig:

        def fail(*_args: object, **_kwargs: object) -> None:
            raise RuntimeError("unforeseen")

        monkeypatch.setattr(rig.ledger, "register", fail)
        answer = await rig.client.post("/api/v1/tasks", json={"task_ids": ["t1"]})
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (503, "unexpected RuntimeError")
        monkeypatch.undo()
        await rig.register("t1")
        assert rig.exporter.faults == ()


async def test_rows_of_registered_tasks_outlive_the_ledgers_retention(tmp_path: Path) -> None:
    """Else a group that gets its api_config back would count its old tasks again."""
    upstream = Upstream({"t1": {"status": "completed"}})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.register("t1")
        await rig.clock.advance(8)
        assert await finished(rig) == 1
        await rig.reload(WITHOUT_API)
        rig.clock.suspend(40 * 86400)
    async with api_rig(tmp_path, WITHOUT_API, clock=rig.clock, upstream=upstream) as rig:
        await asyncio.sleep(0.05)  # old rows are deleted at the start
        await rig.reload(CONFIG)
        await rig.clock.advance(8)
        assert await finished(rig) == 1
