"""Tasks that no client submits: batches, and the load generator: its rate, its mix, no refusal stops it."""

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from exporter.simulator.accounts import Account, Key
from exporter.simulator.batch import Batch, Load
from exporter.simulator.simulator import Options, Simulator
from tests.simulator.manual import START, ManualClock


@pytest.mark.slow
async def test_tasks_come_at_the_rate_and_in_the_mix(clock: ManualClock) -> None:
    simulator = Simulator(Options(load_rate=2.0, time_scale=2.0), clock=clock)
    work = asyncio.create_task(simulator.run())
    await clock.advance(300)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    tasks = simulator.tasks()
    assert 500 < len(tasks) < 700  # 600 on average
    models = Counter(task["model"] for task in tasks)
    assert set(models) == set(simulator.backend.catalogue) - {"gpt-5-4"}
    assert models["sora-2"] > models["gpt-image-2"]
    assert {task["account"] for task in tasks} == {"demo", "second"}
    named = [task for task in tasks if task["out_task_id"]]
    assert 0.4 < len(named) / len(tasks) < 0.6
    assert {task["status"] for task in tasks} == {"pending", "running", "completed", "failed", "cancelled"}


@pytest.mark.parametrize("count", [50])
def test_a_refusal_is_the_submitters_trouble(clock: ManualClock, count: int) -> None:
    account = Account("poor", (Key("poor", "sk-byts-poor"),), balance=1.0)
    simulator = Simulator(clock=clock, accounts=[account])
    load = Load(simulator.backend, simulator.keyring, seed=1)
    for _ in range(count):
        load.submit(simulator.now())
    assert 0 < simulator.books()["submitted"] < count


def test_a_batch_is_spread_and_shared_out_as_asked(clock: ManualClock) -> None:
    simulator = Simulator(clock=clock)
    batch = Batch(count=400, latency_seconds=5, spread_seconds=60, failure_ratio=0.3, cancel_ratio=0.2)
    ends = [task.lifecycle.end_at - START for task in simulator.submit_many(batch)]
    assert (ends[0], ends[-1]) == (5, 65)
    assert ends == sorted(ends)
    clock.pass_by(65)
    outcomes = simulator.books()["outcomes"]
    assert sum(outcomes.values()) == 400
    assert 80 < outcomes["failed"] < 160
    assert 40 < outcomes["cancelled"] < 120
    assert simulator.books()["credits_used_by_status"].keys() == {"completed", "cancelled"}
