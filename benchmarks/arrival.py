"""How long the event loop stands still while 100,000 tasks arrive, are relabelled by a reload, are taken up again by a
restart and leave, beside taking their list in one go.

``python -m benchmarks.arrival`` prints for each of these how long it takes and its longest stall, of a whole exporter
as ``serve`` runs it, that reads a file, recalls and records each task in its ledger and schedules its polls. A stall is
the time between two turns of the loop, or the time that the process has worked meanwhile where that is less: what
another program on the machine takes away is no stall of ours. ``--tasks`` says how many, ``--format`` how the file is
written. It needs about a minute.

Beside them it prints the longest stall of a loop that has nothing to do, in a process in which one thread counts: how
long the interpreter and the machine let a loop wait whose threads work, whatever they do. No program in Python can
promise less.
"""

import argparse
import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator

from benchmarks._figures import Figure, Goal
from benchmarks._served import WRITTEN, Scene, Stall, as_served, start, until, watched
from benchmarks._upstream import running, upstream
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.tracker import Tracker

TASKS = 100_000

IDLE_SECONDS = 10.0
"""So long a loop at rest is watched: about as long as each phase takes."""


async def measure(scene: Scene, ids: list[str]) -> dict[str, Stall]:
    """Let the tasks arrive, be relabelled, be taken up again and leave."""
    scene.name(ids)
    exporter = scene.exporter()
    async with watched("arrival") as arrival:
        await start(exporter)
        await until(lambda: len(exporter.tasks) == len(ids) and not exporter.unready)
    await until(lambda: not exporter.snapshot().ledger.pending)
    scene.configure("sora-2-pro")
    async with watched("reload") as reload:
        await exporter.reload()
        await until(lambda: not [each for each in exporter.unready if each.startswith("source")])
    await exporter.stop(deadline=5.0)

    exporter = scene.exporter()
    async with watched("restart") as restart:
        await start(exporter)
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


async def beside_a_thread() -> Stall:
    """What a loop with nothing to do suffers where one thread counts."""
    ended = threading.Event()

    def count() -> None:
        while not ended.is_set():
            for _ in range(1000):
                pass

    thread = threading.Thread(target=count)
    thread.start()
    try:
        async with watched("at rest") as stall:
            await asyncio.sleep(IDLE_SECONDS)
    finally:
        ended.set()
        thread.join()
    return stall


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    ids = [f"task_{number}" for number in range(TASKS)]
    peer = in_one_go(ids)
    with tempfile.TemporaryDirectory() as directory, upstream(running) as url, as_served():
        stalls = asyncio.run(measure(Scene(directory, url), ids))
        at_rest = asyncio.run(beside_a_thread())
    for phase, stall in stalls.items():
        yield Figure(
            name=f"longest stall of the event loop with {TASKS:,} tasks, {phase}",
            cost=stall.longest,
            peer_name="following them in one go",
            peer=peer,
            goal=Goal(cost=0.01),
        )
    yield Figure(
        name="longest stall of an event loop with nothing to do, beside a thread that counts",
        cost=at_rest.longest,
        peer_name="following them in one go",
        peer=peer,
    )


def main() -> None:
    """Measure once each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--format", choices=WRITTEN, default="txt")
    asked = parser.parse_args()
    ids = [f"task_{number}" for number in range(asked.tasks)]
    print(f"{asked.tasks:,} tasks")
    with tempfile.TemporaryDirectory() as directory, upstream(running) as url, as_served():
        asyncio.run(measure(Scene(directory, url, asked.format), ids))
        asyncio.run(beside_a_thread())
    print(f"{'peer':10} {'':8}    in one go, tracker only {in_one_go(ids) * 1e3:6.1f} ms")


if __name__ == "__main__":
    main()
