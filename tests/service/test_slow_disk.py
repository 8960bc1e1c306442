"""A disk that takes its time: polls go on meanwhile, each in its time, and how long commits take is shown.

The ledger's thread waits as long as each sync is said to take, on the clock that the test moves.
"""

import asyncio
from pathlib import Path

import pytest

from tests.service.rig import Rig

LAG = "bytespike_exporter_poll_lag_seconds"
COMMIT = "bytespike_exporter_ledger_commit_duration_seconds"
FINISHED = "bytespike_tasks_finished_total"

TASKS = 20
SECONDS = 30.0
STEP = 0.1


def slow_down(rig: Rig, sync: float) -> None:
    """Let each commit take so many seconds."""
    loop = asyncio.get_running_loop()
    rig.ledger.pause = lambda: asyncio.run_coroutine_threadsafe(rig.clock.sleep(sync), loop).result(30.0)


async def watched(directory: Path, *, sync: float) -> tuple[Rig, int]:
    """An exporter on such a disk, and how many requests it has made in half a minute."""
    rig = Rig(directory)
    ids, _ = rig.submit(TASKS, latency_seconds=12)
    rig.configure(groups={"renders": ids})
    await rig.start()
    slow_down(rig, sync)
    await rig.advance(SECONDS, step=STEP)
    return rig, rig.requests


async def end(rig: Rig) -> None:
    rig.ledger.pause = lambda: None
    await rig.advance(60.0)
    await rig.kill()


@pytest.mark.slow
@pytest.mark.parametrize("sync", [0.001, 0.01, 0.1, 1.0])
async def test_polls_go_on_in_time_while_the_disk_is_slow(tmp_path: Path, sync: float) -> None:
    (for_fast := tmp_path / "fast").mkdir()
    (for_slow := tmp_path / "slow").mkdir()
    fast, expected = await watched(for_fast, sync=0.0)
    slow, requests = await watched(for_slow, sync=sync)

    assert requests == pytest.approx(expected, rel=0.05)
    page = slow.page()
    assert page.sum(f"{LAG}_sum") <= fast.page().sum(f"{LAG}_sum") + STEP
    commits, seconds = page.sum(f"{COMMIT}_count"), page.sum(f"{COMMIT}_sum")
    assert commits >= 1
    assert seconds >= sync * commits, "and it is shown"
    for rig in (fast, slow):
        await end(rig)


@pytest.mark.slow
async def test_nothing_is_shown_before_a_slow_disk_has_it_and_everything_is_then(rig: Rig) -> None:
    ids, _ = rig.submit(TASKS, latency_seconds=5)
    rig.configure(groups={"renders": ids})
    await rig.start()
    slow_down(rig, 60.0)
    await rig.advance(20, step=STEP)
    assert rig.page().sum(FINISHED) == 0
    assert rig.page().sum("bytespike_exporter_ledger_pending") == TASKS

    rig.ledger.pause = lambda: None
    await rig.advance(120)
    assert rig.page().sum(FINISHED) == TASKS
