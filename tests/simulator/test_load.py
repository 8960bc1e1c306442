"""The load generator: its rate, its mix, and that refusals do not stop it."""

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from exporter.simulator.accounts import Account, Key
from exporter.simulator.load import Load
from exporter.simulator.simulator import Options, Simulator
from tests.simulator.manual import ManualClock


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
    assert set(models) == set(simulator.world.catalogue) - {"gpt-5-4"}
    assert models["sora-2"] > models["gpt-image-2"]
    assert {task["account"] for task in tasks} == {"demo", "second"}
    named = [task for task in tasks if task["out_task_id"]]
    assert 0.4 < len(named) / len(tasks) < 0.6
    assert {task["status"] for task in tasks} == {"pending", "running", "completed", "failed", "cancelled"}


@pytest.mark.parametrize("count", [50])
def test_a_refusal_is_the_submitters_trouble(clock: ManualClock, count: int) -> None:
    account = Account("poor", (Key("poor", "sk-byts-poor"),), balance=1.0)
    simulator = Simulator(clock=clock, accounts=[account])
    load = Load(simulator.world, simulator.keyring, seed=1)
    for _ in range(count):
        load.submit(simulator.now())
    assert 0 < simulator.books()["submitted"] < count
