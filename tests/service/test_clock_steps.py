"""An exporter whose wall clock steps: what it measures stays true, and nothing goes before its time."""

import pytest

from exporter.tasks.observation import Status
from tests.service.rig import Rig

DAY = 86400.0
STEPS = "bytespike_exporter_clock_steps_total"
FINISHED = "bytespike_tasks_finished_total"
DURATION, QUEUE = "bytespike_tasks_duration_seconds", "bytespike_tasks_queue_duration_seconds"
ETA, GAP = "bytespike_tasks_eta_ratio", "bytespike_exporter_observation_gap_seconds"


def measured(rig: Rig) -> dict[str, float]:
    return {name: rig.page().sum(f"{name}_count") for name in (DURATION, QUEUE, ETA, GAP)}


@pytest.mark.slow
@pytest.mark.parametrize("by", [7200.0, -7200.0])
async def test_two_hours_are_in_no_histogram(rig: Rig, by: float) -> None:
    ids, _ = rig.submit(10, latency_seconds=27)
    rig.configure(groups={"renders": ids})
    await rig.start()
    await rig.advance(10)
    assert rig.page().sum(STEPS) == 0
    queued = measured(rig)[QUEUE]

    rig.clock.step_wall(by)
    await rig.advance(60)
    assert rig.page().sum(FINISHED) == 10
    assert measured(rig) == {DURATION: 0, QUEUE: queued, ETA: 0, GAP: 10}
    assert rig.page().sum(f"{GAP}_sum") < 10 * 30
    assert rig.page().sum(STEPS) == 1
    assert rig.events().count("clock_stepped") == 1


@pytest.mark.slow
async def test_what_begins_after_the_step_is_measured_as_ever(rig: Rig) -> None:
    rig.clock.step_wall(-7200)
    rig.configure(groups={"renders": []})
    await rig.start()
    rig.clock.step_wall(7200)
    await rig.advance(5)
    ids, _ = rig.submit(10, latency_seconds=27)
    rig.configure(groups={"renders": ids})
    assert rig.exporter
    await rig.exporter.reload()
    await rig.advance(60)
    page = rig.page()
    assert (page.sum(f"{DURATION}_count"), page.sum(STEPS)) == (10, 1)
    assert 270 <= page.sum(f"{DURATION}_sum") < 10 * 40


@pytest.mark.slow
async def test_the_doubt_outlives_a_restart(rig: Rig) -> None:
    ids, _ = rig.submit(10, latency_seconds=60)
    rig.configure(groups={"renders": ids})
    await rig.start()
    await rig.advance(10)
    rig.clock.step_wall(7200)
    await rig.advance(3)
    await rig.kill()
    await rig.start()
    await rig.advance(120)
    assert rig.page().sum(FINISHED) == 10
    assert measured(rig)[DURATION] == 0


@pytest.mark.slow
async def test_a_machine_that_boots_in_1970(rig: Rig) -> None:
    true = rig.clock.wall()
    ids, _ = rig.submit(10, latency_seconds=600)
    rig.configure(groups={"renders": ids})
    rig.clock.step_wall(100 - true)
    await rig.start()
    await rig.advance(20)
    rig.clock.step_wall(true - 100)
    await rig.advance(5)
    page, now = rig.page(), rig.clock.wall()
    oldest = page.samples("bytespike_tasks_oldest_submit_timestamp_seconds")
    assert oldest
    assert all(0 <= now - sample.value < 60 for sample in oldest)
    assert now - page.sum("bytespike_exporter_config_last_reload_success_timestamp_seconds") == pytest.approx(25)
    assert now - page.sum("bytespike_api_last_success_timestamp_seconds") < 30
    assert page.sum("bytespike_tasks_overdue") == 0
    await rig.advance(700, step=5)
    assert (rig.page().sum(FINISHED), measured(rig)[DURATION]) == (10, 0)


@pytest.mark.slow
@pytest.mark.parametrize("days", [40, -40])
async def test_a_month_takes_nothing_out_of_the_ledger_and_counts_nothing_again(rig: Rig, days: float) -> None:
    ids, _ = rig.submit(10, latency_seconds=5)
    config = {"ledger": {"url": f"sqlite:///{rig.directory}/ledger.db", "retention": "30d"}}
    rig.configure(groups={"renders": ids}, **config)
    exporter = await rig.start()
    await rig.advance(20)
    rig.configure(groups={"renders": []}, **config)
    await exporter.reload()
    rig.clock.suspend(16 * DAY)  # long enough for the pruning's first look
    await rig.clock.advance(3600)
    await rig.advance(2)
    rig.clock.step_wall(days * DAY)
    for _ in range(3):
        await rig.clock.advance(3600)
        await rig.advance(2)
    rig.configure(groups={"renders": ids}, **config)
    await exporter.reload()
    await rig.advance(20)
    assert rig.page().sum(FINISHED) == 10
    statuses = [task.state.status for task in exporter.tasks.views(limit=99)]
    assert statuses == [Status.COMPLETED] * 10


@pytest.mark.slow
async def test_ended_tasks_are_shown_for_the_retention_whatever_the_clock_says(rig: Rig) -> None:
    ids, _ = rig.submit(10, latency_seconds=5)
    rig.configure(groups={"renders": ids}, **{"global": {"retention": "10m"}})
    await rig.start()
    await rig.advance(20)
    for by in (7200, -7200):
        rig.clock.step_wall(by)
        await rig.advance(5)
        assert rig.page().sum("bytespike_tasks") == 10
    await rig.advance(600, step=10)
    assert rig.page().sum("bytespike_tasks") == 0
