"""How long the event loop stands still while 100,000 tasks arrive, are relabelled by a reload, are taken up again by a
restart and leave, beside taking their list in one go.

``python -m benchmarks.arrival`` prints for each of these how long it takes and its longest stall, of a whole exporter
as ``serve`` runs it, that reads a file, recalls and records each task in its ledger and schedules its polls. A stall is
the time between two turns of the loop, or the time that the process has worked meanwhile where that is less: what
another program on the machine takes away is no stall of ours. ``--tasks`` says how many, ``--format`` how the file is
written. It needs about a minute.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator

from benchmarks._figures import Figure, Goal
from benchmarks._served import WRITTEN, Scene, Stall, as_served, until, watched
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.tracker import Tracker

TASKS = 100_000


async def measure(scene: Scene, ids: list[str]) -> dict[str, Stall]:
    """Let the tasks arrive, be relabelled, be taken up again and leave."""
    scene.name(ids)
    exporter = scene.exporter()
    async with watched("arrival") as arrival:
        await exporter.start()
        await until(lambda: len(exporter.tasks) == len(ids) and not exporter.unready)
    await until(lambda: not exporter.snapshot().ledger.pending)
    scene.configure("sora-2-pro")
    async with watched("reload") as reload:
        await exporter.reload()
        await until(lambda: not [each for each in exporter.unready if each.startswith("source")])
    await exporter.stop(deadline=5.0)

    exporter = scene.exporter()
    async with watched("restart") as restart:
        await exporter.start()
        await until(lambda: not exporter.unready)
    scene.name([])
    async with watched("departure") as departure:
        await until(lambda: not len(exporter.tasks))
    await exporter.stop(deadline=5.0)
    return {"arrival": arrival, "reload": reload, "restart": restart, "departure": departure}


def in_one_go(ids: list[str]) -> float:
    """How long it takes to follow them all."""
    tracker, labels = Tracker(Rules()), TaskLabels("one", "renders", "sora-2")
    items = [Item(TaskRef("one", task_id), labels) for task_id in ids]
    began = time.process_time()
    for item in items:
        tracker.claim("files", item, now=0.0)
    return time.process_time() - began


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    ids = [f"task_{number}" for number in range(TASKS)]
    peer = in_one_go(ids)
    with tempfile.TemporaryDirectory() as directory, as_served():
        stalls = asyncio.run(measure(Scene(directory, "txt"), ids))
    for phase, stall in stalls.items():
        yield Figure(
            name=f"longest stall of the event loop with {TASKS:,} tasks, {phase}",
            cost=stall.longest,
            peer_name="following them in one go",
            peer=peer,
            goal=Goal(cost=0.01),
        )


def main() -> None:
    """Measure once each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--format", choices=WRITTEN, default="txt")
    asked = parser.parse_args()
    ids = [f"task_{number}" for number in range(asked.tasks)]
    print(f"{asked.tasks:,} tasks")
    with tempfile.TemporaryDirectory() as directory, as_served():
        asyncio.run(measure(Scene(directory, asked.format), ids))
    print(f"{'peer':10} {'':8}    in one go, tracker only {in_one_go(ids) * 1e3:6.1f} ms")


if __name__ == "__main__":
    main()
