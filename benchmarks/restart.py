"""What a restart costs with much history, beside one with little: it must not grow with what has ended.

``python -m benchmarks.restart`` prints the CPU time of opening the ledger, loading its totals and recalling every open
task, a list's worth at once, with a million tasks in the file and with none but the open ones; and beside them, the
seconds that each step takes, and how long it takes until a whole exporter on the large ledger, whose list names the
open tasks, is ready. ``--tasks`` and ``--open`` say how many.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count

from benchmarks._figures import Figure, Goal
from benchmarks._rounds import compare, timed
from benchmarks._served import Scene, as_served, start, until, watched
from benchmarks._upstream import running, upstream
from benchmarks.commit import entry
from exporter.intake.intake import RECALLED
from exporter.ledger.ledger import Batch, Entry
from exporter.ledger.store import SqliteLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe

TASKS, OPEN = 1_000_000, 50_000
FEWER = 300_000
"""So many are enough for the figure, which does not grow with those that have ended: filling takes longest."""

AT_ONCE = 5_000
LABELS = TaskLabels("default", "renders", "sora-2-pro")


def open_ref(number: int) -> TaskRef:
    """A task that runs."""
    return TaskRef("default", f"task_open_{number}", f"render-open-{number}")


def open_entry(number: int) -> Entry:
    """What is kept of it."""
    state = begin(Item(open_ref(number), LABELS), now=0.0)
    return Entry(observe(state, Observation(Status.RUNNING, estimated_seconds=35), now=5.0).state)


def filled(url: str, *, ended: int, still_open: int) -> None:
    """Write a ledger of so many tasks."""
    ledger, batches = SqliteLedger(url), count(1)
    ledger.open()
    for make, number in ((entry, ended), (open_entry, still_open)):
        for first in range(0, number, AT_ONCE):
            entries = [make(each) for each in range(first, min(number, first + AT_ONCE))]
            ledger.commit(Batch(next(batches), entries), now=0.0)
    ledger.close()


class Restart:
    """Opens a ledger and reads what a start needs; ``seconds`` are those that each step of the last one took."""

    def __init__(self, url: str, still_open: int) -> None:
        self._url = url
        self._refs = [TaskRef("default", open_ref(number).task_id) for number in range(still_open)]
        self.seconds: dict[str, float] = {}

    def __call__(self) -> None:
        self.seconds = {}
        ledger = SqliteLedger(self._url)
        self._timed("open", ledger.open)
        self._timed("books", ledger.books)
        self._timed("recall", lambda: self._recall(ledger))
        ledger.close()

    def _recall(self, ledger: SqliteLedger) -> None:
        for first in range(0, len(self._refs), RECALLED):
            some = self._refs[first : first + RECALLED]
            assert len(ledger.recall(some, now=0.0)) == len(some)

    def _timed(self, step: str, work: Callable[[], object]) -> None:
        began = time.monotonic()
        work()
        self.seconds[step] = time.monotonic() - began


async def until_ready(scene: Scene, still_open: int) -> float:
    """Start an exporter that follows the open tasks, and print how long it takes; the seconds."""
    scene.name([f"task_open_{number}" for number in range(still_open)])
    exporter = scene.exporter()
    async with watched("ready") as stall:
        await start(exporter)
        await until(lambda: not exporter.unready)
    await exporter.stop(deadline=5.0)
    return stall.seconds


def main() -> None:
    """Fill both and restart on each in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--open", type=int, default=OPEN)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        much, little = (f"sqlite:///{directory}/{name}.db" for name in ("ledger", "little"))
        filled(much, ended=asked.tasks - asked.open, still_open=asked.open)
        filled(little, ended=0, still_open=asked.open)
        with_much, with_little = Restart(much, asked.open), Restart(little, asked.open)
        print(f"{asked.tasks:,} tasks in the ledger, {asked.open:,} of them open")
        compare(with_much, with_little, each=1, peer_name=f"with the {asked.open:,} alone")
        steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in with_much.seconds.items())
        print(f"seconds of the clock: {steps}; together {sum(with_much.seconds.values()):.2f}")
        with upstream(running) as url, as_served():
            asyncio.run(until_ready(Scene(directory, url), asked.open))


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    with tempfile.TemporaryDirectory() as directory:
        much, little = (f"sqlite:///{directory}/{name}.db" for name in ("ledger", "little"))
        filled(much, ended=FEWER - OPEN, still_open=OPEN)
        filled(little, ended=0, still_open=OPEN)
        pair = timed(Restart(much, OPEN), Restart(little, OPEN), each=1, rounds=3)
        with upstream(running) as url, as_served():
            ready = asyncio.run(until_ready(Scene(directory, url), OPEN))
    for name, cost in (("reading the ledger at a start", pair.ours), ("until a start is ready", ready)):
        yield Figure(
            name=f"{name}, {FEWER:,} tasks, {OPEN:,} of them open",
            cost=cost,
            peer_name=f"reading that of the {OPEN:,} alone",
            peer=pair.peer,
            goal=Goal(cost=1.0),
        )


if __name__ == "__main__":
    main()
