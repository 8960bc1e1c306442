"""Tasks come, end, leave their list and outlive their retention, round after round: what is held stays what it was."""

import gc
import json
from statistics import median
from types import FrameType, FunctionType, ModuleType
from typing import Any

import httpx
import pytest

from exporter.metrics.history import History
from tests.service.rig import Rig

TASKS = 40
RETENTION = 2
WARM_UP = 6
"""Rounds until there is what lasts: connections, series, the statements of the ledger, what many tasks share."""

POLL = {"min_interval": "1s", "max_interval": "1s"}

ELSEWHERE = (ModuleType, type, FunctionType, FrameType, History)
"""What is not the tasks' own; the history of the last hour is full after an hour, and not before."""


def ended(request: httpx.Request) -> httpx.Response:
    """Every task that is asked about has completed, each with a number of its own."""
    task_id: str = json.loads(request.content)["task_id"]
    number = int(task_id.rpartition("_")[2])
    record: dict[str, Any] = {
        "task_id": task_id,
        "status": "completed",
        "credits_used": number % 7 + 1.5,
        "submitted_at": 1_700_000_000 + number,
    }
    return httpx.Response(200, json=record)


def held(root: object) -> int:
    """How many objects can be reached from this one."""
    seen, found = {id(root): root}, [root]
    while found:
        for each in gc.get_referents(found.pop()):
            if id(each) not in seen and not isinstance(each, ELSEWHERE):
                seen[id(each)] = each
                found.append(each)
    return len(seen)


def finished(rig: Rig) -> float:
    return rig.page().sum("bytespike_tasks_finished_total")


async def one_round(rig: Rig, number: int) -> int:
    """New tasks in the list, and then none; how much the exporter holds when they are over."""
    assert rig.exporter is not None
    named = [f"task_{number}_{number * TASKS + at}" for at in range(TASKS)]
    for ids in (named, []):
        rig.configure(groups={"renders": ids}, **{"global": {"retention": f"{RETENTION}s", "poll": POLL}})
        await rig.exporter.reload()
        await rig.advance(2 * RETENTION, step=1.0)
        while finished(rig) < TASKS * (number + 1):  # the account's rate may leave some for later
            await rig.advance(1.0, step=1.0)
    rig.page()
    rig.lines.calls.clear()
    gc.collect()
    return held(rig.exporter)


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [12, pytest.param(150, marks=pytest.mark.long)])
async def test_tasks_that_have_gone_hold_nothing(rig: Rig, rounds: int) -> None:
    rig.transport = httpx.MockTransport(ended)
    rig.configure(groups={"renders": []})
    exporter = await rig.start()
    counts = [await one_round(rig, number) for number in range(WARM_UP + rounds)]
    assert finished(rig) == TASKS * (WARM_UP + rounds)
    assert len(exporter.tasks) == 0
    growth = median(counts[-3:]) - median(counts[WARM_UP : WARM_UP + 3])
    # one that is still held is an entry and its name at least; what is shared is bounded, and comes and goes
    assert growth < TASKS * (rounds - 3), f"{growth} objects more, by {TASKS * (rounds - 3)} tasks: {counts}"
