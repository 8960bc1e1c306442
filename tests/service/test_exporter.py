"""The exporter as a whole: life, reload, restart and the faults that it outlives."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Mapping

import certifi
import httpx
import pytest

from exporter.ledger.ledger import LedgerError
from exporter.service.exporter import Exporter
from exporter.settings.errors import ConfigError
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from tests.service.rig import Rig
from tests.support.faulty_ledger import Fault

FAILED = "bytespike_tasks_failed_total"
FINISHED = "bytespike_tasks_finished_total"


@pytest.mark.slow
async def test_configured_tasks_are_polled_until_they_end_and_counted(rig: Rig) -> None:
    ids, _ = rig.submit(20, latency_seconds=20, spread_seconds=20, failure_ratio=0.25)
    rig.configure(groups={"renders": ids})
    exporter = await rig.start()
    assert list(exporter.unready) == ["account default has not been polled yet"]

    await rig.advance(10)
    assert not exporter.unready
    assert not exporter.faults
    assert (rig.page().sum("bytespike_tasks"), rig.page().sum("bytespike_tasks", status="unobserved")) == (20, 0)

    await rig.advance(40)
    page, books = rig.page(), rig.simulator.books()
    assert page.by("status", FINISHED) == {status: n for status, n in books["outcomes"].items() if n}
    assert page.sum("bytespike_tasks_credits_used_total") == pytest.approx(books["credits_used"])
    assert page.sum("bytespike_tasks") == 20

    before = rig.requests
    await rig.advance(60)
    assert rig.requests == before, "an ended task is not asked about again"


async def test_an_account_that_waits_for_its_key_keeps_nobody_waiting(rig: Rig) -> None:
    """Else a rollout would stall for ever on a key that comes later, or never."""
    ids, _ = rig.submit(3, latency_seconds=600)
    rig.configure(groups={"renders": ids})
    rig.key_file.unlink()
    exporter = await rig.start()
    assert not exporter.unready
    assert rig.page().sum("bytespike_api_suspended", reason="invalid_api_key") == 1
    assert (rig.page().sum("bytespike_up"), rig.requests) == (0, 0)

    rig.key_file.write_text("sk-byts-demo")
    await rig.advance(130, step=5)
    assert not exporter.unready
    assert rig.page().sum("bytespike_up") == 1


async def test_a_reload_warns_as_a_start_does(rig: Rig) -> None:
    """Else a CA file that has vanished would be left out, and others trusted, without a word."""
    authorities = rig.directory / "ca.pem"
    shutil.copy(certifi.where(), authorities)
    rig.environ["SSL_CERT_FILE"] = str(authorities)
    rig.configure(groups={"renders": ["t"]})
    exporter = await rig.start()
    authorities.unlink()

    for dry_run in (True, False):
        await exporter.reload(dry_run=dry_run)
        warnings = [call.kwargs["warning"] for call in rig.lines.calls if call.kwargs.get("event") == "config_warning"]
        told = [warning for warning in warnings if warning.startswith(f"SSL_CERT_FILE: {authorities} cannot be used")]
        assert len(told) == (not dry_run)


@pytest.mark.slow
async def test_a_minute_after_its_key_was_revoked_the_upstream_has_seen_ten_requests_at_most(rig: Rig) -> None:
    ids, _ = rig.submit(300, latency_seconds=900)
    rig.configure(groups={"renders": ids})
    await rig.start()
    await rig.advance(20)
    before = rig.requests
    assert before > 100
    rig.simulator.revoke("demo")

    await rig.advance(60)

    assert rig.requests - before <= 10
    page = rig.page()
    assert page.sum("bytespike_up") == 0
    assert page.sum("bytespike_api_suspended", reason="invalid_api_key") == 1
    assert page.sum("bytespike_tasks", status="pending") >= before - 5, "what was known is still shown"

    before = rig.requests
    rig.key_file.write_text("sk-byts-second")
    await rig.advance(2)
    assert rig.requests > before, "a changed key is tried at once"


@pytest.mark.slow
async def test_a_spent_budget_is_waited_for_but_not_for_ever(rig: Rig) -> None:
    ids, _ = rig.submit(50, latency_seconds=5000)
    rig.configure(groups={"renders": ids})
    await rig.start()
    await rig.advance(10)
    rig.simulator.scenario("payment_required")
    await rig.advance(10)
    before = rig.requests

    await rig.advance(600, step=5)
    assert 2 <= rig.requests - before <= 12, "looked at now and then"
    assert rig.page().sum("bytespike_api_suspended", reason="payment") == 1

    rig.simulator.end_scenario("payment_required")
    await rig.advance(310, step=5)
    assert rig.page().sum("bytespike_up") == 1


@pytest.mark.slow
async def test_a_new_error_code_is_shown_at_0_by_one_scrape_whatever_happens_meanwhile(rig: Rig) -> None:
    ids, _ = rig.submit(8, latency_seconds=5, failure_ratio=1.0, error_code="too_hot")
    rig.configure(groups={"renders": ids})
    await rig.start()
    await rig.advance(20)

    await rig.kill()  # before any scrape
    await rig.start()
    assert failures(rig) == {"content_policy_violation": 0.0, "too_hot": 0.0}
    await rig.kill()  # before it is durable that it was shown
    await rig.start()
    assert failures(rig)["too_hot"] == 0.0
    await rig.advance(1)
    assert failures(rig)["too_hot"] == 8.0
    await rig.kill()
    await rig.start()
    assert failures(rig)["too_hot"] == 8.0, "it does not begin again"


def failures(rig: Rig) -> dict[str, float]:
    return {sample.labels["error_code"]: sample.value for sample in rig.page().samples(FAILED)}


@pytest.mark.slow
async def test_the_longest_due_poll_is_dated(rig: Rig) -> None:
    ids, _ = rig.submit(20, latency_seconds=900)
    rig.configure(groups={"renders": ids})
    await rig.start()
    await rig.advance(20)
    rig.simulator.revoke("demo")
    await rig.advance(600, step=5)
    name = "bytespike_exporter_oldest_due_timestamp_seconds"
    age = rig.clock.wall() - rig.page().sum(name)
    assert 60 < age < 620
    rig.clock.step_wall(3600.0)
    assert rig.clock.wall() - rig.page().sum(name) == age, "a step of the clock ages nothing"


@pytest.mark.slow
async def test_a_restart_shows_what_was_shown_and_asks_nothing_twice(rig: Rig) -> None:
    ids, _ = rig.submit(10, latency_seconds=5)
    rig.configure(groups={"renders": ids})
    await rig.start()
    await rig.advance(20)
    before, requests = rig.page(), rig.requests
    assert before.sum(FINISHED) == 10

    await rig.kill()
    await rig.start()
    after = rig.page()

    lost = {key for key, value in before.growing().items() if after.growing().get(key, 0.0) < value}
    assert {name for name, _ in lost} <= set(), "no counter and no histogram is lower"
    assert after.by("status", "bytespike_tasks") == before.by("status", "bytespike_tasks")
    assert after.sum("bytespike_task_elapsed_seconds") == before.sum("bytespike_task_elapsed_seconds")
    await rig.advance(30)
    assert rig.requests == requests


@pytest.mark.slow
async def test_a_task_that_ended_while_nobody_looked_has_its_true_submission_and_estimate(rig: Rig) -> None:
    ids, _ = rig.submit(1, latency_seconds=60)
    rig.configure(groups={"renders": ids})
    await rig.start()
    await rig.advance(10)
    await rig.kill()
    await rig.advance(100)
    await rig.start()
    await rig.advance(10)

    page = rig.page()
    assert page.sum("bytespike_tasks_duration_seconds_count") == 1
    assert 100 < page.sum("bytespike_tasks_duration_seconds_sum") < 125
    assert page.sum("bytespike_tasks_eta_ratio_count") == 1
    assert page.sum("bytespike_tasks_credits_estimated_total") > 0
    assert page.sum("bytespike_exporter_observation_gap_seconds_sum") > 90, "and it says how uncertain that is"


@pytest.mark.slow
async def test_an_ended_task_leaves_the_gauges_but_not_the_counters_after_the_retention(rig: Rig) -> None:
    ids, _ = rig.submit(1, latency_seconds=5)
    rig.configure(groups={"renders": ids}, **{"global": {"retention": "60s"}})
    await rig.start()
    await rig.advance(20)
    assert rig.page().sum("bytespike_tasks", status="completed") == 1

    await rig.advance(70)
    page = rig.page()
    assert page.sum("bytespike_tasks", status="completed") == 0
    assert page.samples("bytespike_task_status") == []
    assert page.sum(FINISHED) == 1


# ---- reload --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_reload_follows_new_tasks_drops_old_ones_and_resets_nothing(rig: Rig) -> None:
    ids, _ = rig.submit(4, latency_seconds=5)
    lasting, _ = rig.submit(4, latency_seconds=900)
    rig.configure(groups={"renders": ids + lasting[:2]})
    exporter = await rig.start()
    await rig.advance(20)
    before = rig.page()

    rig.configure(groups={"renders": lasting[2:]})
    difference = await exporter.reload()

    assert difference.as_json()["tasks"] == {"renders": {"added": 2, "removed": 6}}
    await rig.advance(20)
    after = rig.page()
    assert after.sum(FINISHED) == before.sum(FINISHED) == 4
    assert after.sum("bytespike_tasks") == 2
    polled = {task["task_id"] for task in rig.simulator.tasks(offset=0, limit=100)}
    assert set(lasting) <= polled

    rig.configure(groups={"renders": ids + lasting})
    await exporter.reload()
    await rig.advance(20)
    assert rig.page().sum(FINISHED) == 4, "a task that is added again is not counted again"


@pytest.mark.slow
async def test_a_removed_task_is_never_polled_again(rig: Rig) -> None:
    ids, _ = rig.submit(5, latency_seconds=900)
    rig.configure(groups={"renders": ids})
    exporter = await rig.start()
    await rig.advance(10)
    rig.configure(groups={"renders": []}, task_groups=[])
    await exporter.reload()
    before = rig.requests

    await rig.advance(60)

    assert rig.requests == before
    assert rig.page().samples("bytespike_tasks") == []


@pytest.mark.parametrize("text", ["accounts: []", "nonsense", "accounts: [{name: a, api_key: secret}]"])
async def test_a_bad_configuration_changes_nothing_and_shows(rig: Rig, text: str) -> None:
    ids, _ = rig.submit(2, latency_seconds=900)
    rig.configure(groups={"renders": ids})
    exporter = await rig.start()
    good = rig.config_file.read_text()
    rig.config_file.write_text(text)

    with pytest.raises(ConfigError):
        await exporter.reload()
    await rig.advance(10)
    page = rig.page()
    assert page.sum("bytespike_exporter_config_last_reload_successful") == 0
    assert page.sum("bytespike_tasks", status="pending") == 2

    rig.config_file.write_text(good)
    await exporter.reload()
    assert rig.page().sum("bytespike_exporter_config_last_reload_successful") == 1


async def test_a_dry_run_says_what_would_change_and_changes_nothing(rig: Rig) -> None:
    ids, _ = rig.submit(2, latency_seconds=900)
    rig.configure(groups={"renders": ids[:1]})
    exporter = await rig.start()
    rig.configure(groups={"renders": ids})

    for _ in range(2):
        assert (await exporter.reload(dry_run=True)).as_json()["tasks"] == {"renders": {"added": 1, "removed": 0}}
    assert rig.page().sum("bytespike_tasks") == 1

    rig.config_file.write_text("nonsense")
    with pytest.raises(ConfigError):
        await exporter.reload(dry_run=True)
    assert rig.page().sum("bytespike_exporter_config_last_reload_successful") == 1


async def test_another_ledger_needs_a_restart(rig: Rig) -> None:
    rig.configure()
    exporter = await rig.start()
    rig.configure(ledger={"url": "sqlite:///elsewhere.db"})

    with pytest.raises(ConfigError, match=r"ledger\.url: it cannot change while running"):
        await exporter.reload()


async def test_reloads_that_come_together_are_done_one_after_the_other(rig: Rig) -> None:
    ids, _ = rig.submit(3, latency_seconds=900)
    rig.configure(groups={"renders": ids[:1]})
    exporter = await rig.start()
    rig.configure(groups={"renders": ids})

    differences = await asyncio.gather(*(exporter.reload() for _ in range(5)))

    assert [difference.is_empty for difference in differences] == [False, True, True, True, True]


async def test_accounts_come_and_go(rig: Rig) -> None:
    ids, _ = rig.submit(2, latency_seconds=900)
    rig.configure(groups={"renders": ids})
    exporter = await rig.start()
    await rig.advance(10)
    other = {"name": "other", "base_url": "http://upstream.test", "api_key_file": str(rig.key_file)}
    rig.configure(accounts=[other], groups={"renders": ids})

    difference = await exporter.reload()
    await rig.advance(10)

    assert difference.as_json()["accounts"] == {"added": ["other"], "removed": ["default"], "changed": [], "kept": []}
    page = rig.page()
    assert page.by("account", "bytespike_up") == {"other": 1.0}
    assert page.by("account", "bytespike_tasks") == {"other": 2.0}


@pytest.mark.slow
async def test_other_limits_take_effect_without_a_pause(rig: Rig) -> None:
    ids, _ = rig.submit(100, latency_seconds=900)
    slow = {"name": "default", "base_url": "http://upstream.test", "api_key_file": str(rig.key_file)}
    rig.configure(groups={"renders": ids}, accounts=[slow | {"max_requests_per_second": 1}])
    exporter = await rig.start()
    await rig.advance(10)
    assert rig.requests <= 11

    rig.configure(groups={"renders": ids}, accounts=[slow | {"max_requests_per_second": 50}])
    difference = await exporter.reload()
    await rig.advance(10)

    assert difference.as_json()["accounts"]["changed"] == ["default"]  # type: ignore[index]
    assert rig.requests >= 90


# ---- a ledger in trouble -------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_polling_goes_on_while_the_ledger_is_locked_and_nothing_counts_twice(rig: Rig) -> None:
    ids, _ = rig.submit(5, latency_seconds=5)
    more, _ = rig.submit(1, latency_seconds=900)
    rig.configure(groups={"renders": ids + more})
    exporter = await rig.start()
    await rig.advance(3)
    intruder = sqlite3.connect(rig.directory / "ledger.db", isolation_level=None)
    intruder.execute("BEGIN EXCLUSIVE")
    await asyncio.sleep(0.05)

    requests = rig.requests
    for _ in range(20):  # not by advance(): it would ask the locked ledger
        await rig.clock.advance(1.0)
        await asyncio.sleep(0.03)
    assert rig.requests > requests
    page = rig.page()
    assert list(exporter.unready) == ["the ledger does not take commits"]
    assert page.sum("bytespike_exporter_ledger_pending") == 5
    assert page.sum("bytespike_exporter_ledger_failures_total") > 0
    assert page.sum(FINISHED) == 0, "nothing is shown that is not durable"
    assert page.sum("bytespike_tasks", status="completed") == 5, "what was observed is"

    rig.configure(groups={"renders": ids + more + ["task_new"]})
    with pytest.raises(LedgerError, match="locked"):
        await exporter.reload()

    intruder.execute("ROLLBACK")
    intruder.close()
    await rig.advance(15)
    page = rig.page()
    assert not exporter.unready
    assert (page.sum(FINISHED), page.sum("bytespike_exporter_ledger_pending")) == (5, 0)


@pytest.mark.slow
async def test_a_queue_time_counts_once_though_its_task_was_away_while_the_ledger_took_nothing(rig: Rig) -> None:
    others, _ = rig.submit(1, latency_seconds=300)
    rig.configure(groups={"renders": others})
    exporter = await rig.start()
    await rig.advance(5)
    ids, _ = rig.submit(1, latency_seconds=300)

    rig.ledger.fault = Fault.BEFORE
    for named, seconds in ((others + ids, 60), (others, 1), (others + ids, 0)):
        rig.configure(groups={"renders": named})
        await exporter.reload()
        await rig.advance(seconds)
    rig.ledger.fault = None
    assert await exporter.flush()

    await rig.advance(60)
    assert rig.page().sum("bytespike_tasks", status="running") == 2
    assert rig.page().sum("bytespike_tasks_queue_duration_seconds_count") == 2


@pytest.mark.slow
@pytest.mark.parametrize("status", ["completed", "running"])
async def test_what_waits_of_a_task_counts_though_it_turns_out_to_be_another_one(rig: Rig, status: str) -> None:
    answers: dict[str, dict[str, object]] = {"task_a": {"status": "pending"}}

    def answer(request: httpx.Request) -> httpx.Response:
        told = answers.get(next(iter(json.loads(request.content).values())))
        unknown = httpx.Response(404, json={"error": {"code": "task_not_found"}})
        return httpx.Response(200, json=told) if told else unknown

    rig.transport = httpx.MockTransport(answer)
    rig.configure(groups={"renders": ["task_other"]}, **{"global": {"not_found_grace": "1h"}})
    exporter = await rig.start()
    await rig.advance(5)

    rig.ledger.fault = Fault.BEFORE
    await rig.advance(30)  # so that a batch is on its way, and what comes next waits behind it
    groups = {"first": {"static_configs": [{"out_task_ids": ["mine"]}]}, "second": ["task_a"]}
    rig.configure(groups=groups, **{"global": {"not_found_grace": "1h"}})
    await exporter.reload()
    await rig.advance(20)
    answers["task_a"] = {"task_id": "task_a", "status": status}  # that it is "mine" it does not say
    await rig.advance(20)
    answers["mine"] = {"task_id": "task_a", "out_task_id": "mine", "status": status}
    await rig.advance(20)
    assert rig.page().by("status", "bytespike_tasks") == {status: 1}
    rig.ledger.fault = None

    await rig.advance(20)
    counted = FINISHED if status == "completed" else "bytespike_tasks_queue_duration_seconds_count"
    assert rig.page().sum(counted) == 1


async def test_a_ledger_that_cannot_be_opened_is_an_error_at_start(rig: Rig) -> None:
    (rig.directory / "ledger.db").write_text("this is no database" * 100)
    rig.configure()

    with pytest.raises(LedgerError, match="it is damaged"):
        await rig.start()


# ---- honesty -------------------------------------------------------------------------------------------------------


async def test_a_dead_loop_is_seen(rig: Rig) -> None:
    rig.configure()
    exporter = await rig.start()
    next(task for task in asyncio.all_tasks() if task.get_name() == "heartbeat").cancel()
    await rig.advance(1)

    assert "the heartbeat loop has died" in exporter.faults
    assert "loop_died" in rig.events()


async def test_a_late_event_loop_is_seen(rig: Rig) -> None:
    rig.configure()
    exporter = await rig.start()
    await rig.advance(1)
    rig.clock._move_to(rig.clock.monotonic() + 30)

    assert exporter.faults == ("the event loop is 30 s late",)


async def test_stopping_commits_what_is_known(rig: Rig) -> None:
    ids, _ = rig.submit(3, latency_seconds=5)
    rig.configure(groups={"renders": ids})
    exporter = await rig.start()
    await rig.advance(10)
    await exporter.stop(deadline=5)
    rig.exporter = None

    await rig.start()
    assert rig.page().sum(FINISHED) == 3


async def test_stopping_gives_up_at_its_deadline(rig: Rig) -> None:
    ids, _ = rig.submit(1, latency_seconds=900)
    rig.configure(groups={"renders": ids})
    exporter = await rig.start()
    rig.ledger.hold()
    stopping = asyncio.create_task(exporter.stop(deadline=5.0))
    for _ in range(10):
        await rig.clock.advance(1.0)
    assert "ledger_closed_with_pending" in rig.events()

    rig.ledger.release()
    await asyncio.gather(stopping, advance_until(stopping, rig))
    rig.exporter = None


async def advance_until(task: asyncio.Task[None], rig: Rig) -> None:
    while not task.done():
        await rig.clock.advance(1.0)


async def registered(exporter: Exporter, models: Mapping[str, str]) -> list[Registration]:
    """Register tasks into the open group, each with its model."""
    registrations = [
        Registration("open", TaskRef("default", task_id), registered_at=0.0, model=model)
        for task_id, model in models.items()
    ]
    await exporter.registrations.register(registrations)
    return registrations


async def test_too_many_values_of_a_label_become_other_and_are_counted(rig: Rig) -> None:
    ids, _ = rig.submit(5, latency_seconds=900)
    configured = {"model": "model-0", "static_configs": [{"task_ids": ids[:1]}], "api_config": {}}
    rig.configure(groups={"open": configured}, **{"global": {"label_values": {"limit": 3}}})
    await registered(await rig.start(), {task_id: f"model-{i}" for i, task_id in enumerate(ids) if i})
    await rig.advance(10)

    page = rig.page()
    assert page.by("model", "bytespike_tasks") == {"model-0": 1.0, "model-1": 1.0, "model-2": 1.0, "other": 2.0}
    assert page.sum("bytespike_exporter_label_values_overflowed_total", limit="label_values") >= 2
    assert page.sum("bytespike_exporter_label_values_overflowed_total", limit="label_sets") == 0


async def test_junk_that_is_gone_pushes_nobody_into_other(rig: Rig) -> None:
    ids, _ = rig.submit(6, latency_seconds=900)
    rig.configure(groups={"open": {"api_config": {}}}, **{"global": {"label_values": {"limit": 3}}})
    exporter = await rig.start()
    junk = await registered(exporter, {task_id: f"junk-{i}" for i, task_id in enumerate(ids[:5])})
    await exporter.registrations.unregister(junk)
    await registered(exporter, {ids[5]: "honest"})
    await rig.advance(10)

    assert rig.page().by("model", "bytespike_tasks") == {"honest": 1.0}
