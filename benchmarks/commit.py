"""What it costs to make an outcome durable in a group, beside a transaction of its own for each on such a file.

``python -m benchmarks.commit`` prints the time of an outcome by the processor and by the clock, which waits for the
disk as well: in groups of 500, the same of tasks that were followed before (each has a row to replace), and alone. All
are on the disk when they return (synchronous=FULL). The peer, in turns with it, writes the row and one counter and
checks nothing; the exporter looks the task up by both its names, writes the row and adds to every series of an outcome.
What is to be written is made beforehand: that is the work of the answer. ``--before``: so many ended earlier.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks._figures import Figure, Goal
from benchmarks._rounds import ROUNDS, taken
from exporter.ledger.lane import BATCH
from exporter.ledger.ledger import Batch, Count, Entry
from exporter.ledger.opening import ledger_at
from exporter.metrics.events import count_outcome
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe

LABELS = TaskLabels("default", "renders", "sora-2-pro")

GROUPS = 4
ALONE = 100
"""So many batches, of many and of one, are timed together."""


class Times(NamedTuple):
    """Seconds of one outcome."""

    cpu: float
    clock: float


def entry(number: int) -> Entry:
    """A task that has just completed."""
    state = begin(Item(TaskRef("default", f"task_{number}", f"render-{number}"), LABELS), now=0.0)
    state = observe(state, Observation(Status.RUNNING, estimated_seconds=35), now=5.0).state
    step = observe(state, Observation(Status.COMPLETED, credits_used=1.47), now=40.0)
    assert step.outcome is not None
    return Entry(step.state, ended=Count(*count_outcome(LABELS, step.outcome)))


class Grouped:
    """The exporter's ledger, which takes outcomes in groups."""

    def __init__(self, url: str) -> None:
        self._ledger = ledger_at(url, alone=True)
        self._ledger.open()
        self._batches = count(1)
        self._entries = map(entry, count())

    def fill(self, before: int) -> None:
        """Let so many have ended before."""
        for _ in range(before // BATCH):
            self.commit(self.next(BATCH))

    def next(self, size: int) -> list[Entry]:
        """The next outcomes."""
        return list(islice(self._entries, size))

    def follow(self, ends: Sequence[Entry]) -> None:
        """Let the tasks of these outcomes have been seen before."""
        self.commit([Entry(begin(Item(end.state.ref, LABELS), now=0.0)) for end in ends])

    def commit(self, entries: Sequence[Entry]) -> None:
        """Make these durable, in one group."""
        self._ledger.commit(Batch(next(self._batches), entries), now=0.0)

    def close(self) -> None:
        self._ledger.close()


class OneByOne:
    """A transaction for each outcome, by the driver alone."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._numbers = count()
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE outcomes (task_id TEXT PRIMARY KEY, status TEXT, credits REAL)",
            "CREATE TABLE totals (name TEXT PRIMARY KEY, value REAL)",
        ):
            self._db.execute(statement)

    def fill(self, before: int) -> None:
        """Let so many have ended before."""
        self._db.execute("BEGIN")
        rows = ((f"task_{number}",) for number in islice(self._numbers, before))
        self._db.executemany("INSERT INTO outcomes VALUES (?, 'completed', 1.47)", rows)
        self._db.execute("COMMIT")

    def commit(self, size: int) -> None:
        """Make so many durable."""
        for number in islice(self._numbers, size):
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO outcomes VALUES (?, 'completed', 1.47)", (f"task_{number}",))
            self._db.execute("INSERT INTO totals VALUES ('n', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
            self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


def times(work: Callable[[], object], *, each: int) -> Times:
    """What one of so many outcomes takes."""
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return Times((time.process_time() - cpu) / each, (time.perf_counter() - clock) / each)


def grouped_times(grouped: Grouped, size: int, groups: int, *, followed: bool = False) -> Times:
    """What one outcome takes in groups of this size, which are made beforehand."""
    made = [grouped.next(size) for _ in range(groups)]
    for group in made if followed else ():
        grouped.follow(group)
    return times(lambda: list(map(grouped.commit, made)), each=size * groups)


def compare(title: str, ours: Callable[[], Times], peer: Callable[[], Times]) -> None:
    """Print the medians of both, and their ratio."""
    ours(), peer()
    rounds = [(ours(), peer()) for _ in range(ROUNDS)]
    print(title)
    for name, at in (("processor", 0), ("clock", 1)):
        own, other = (median(each[who][at] for each in rounds) for who in (0, 1))
        print(
            f"  by the {name:9} {own * 1e6:8.1f} us, {1 / own:9,.0f} a second; a transaction each"
            f" {other * 1e6:8.1f} us; ratio {own / other:.3f} (1/{other / own:.1f})"
        )


def main() -> None:
    """Compare groups, and outcomes alone, with as many transactions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=int, default=0)
    before = parser.parse_args().before
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(Grouped(f"sqlite:///{directory}/ledger.db")) as grouped,
        closing(OneByOne(Path(directory, "peer.db"))) as peer,
    ):
        grouped.fill(before)
        peer.fill(before)
        print(f"{before:,} outcomes before")
        for title, size, groups, followed in (
            (f"groups of {BATCH}", BATCH, GROUPS, False),
            (f"groups of {BATCH}, of tasks that were followed", BATCH, GROUPS, True),
            ("alone", 1, ALONE, False),
        ):
            alike = size * groups // 4 or 1  # fewer of the peer's, which are slow
            compare(
                title,
                partial(grouped_times, grouped, size, groups, followed=followed),
                partial(times, partial(peer.commit, alike), each=alike),
            )


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(Grouped(f"sqlite:///{directory}/ledger.db")) as grouped,
        closing(OneByOne(Path(directory, "peer.db"))) as peer,
    ):
        for title, followed, goal in (
            ("an outcome made durable", False, Goal(share=1 / 8, cost=1e-5)),
            ("the same, of a task that was followed before", True, Goal()),
        ):
            pair = taken(
                partial(_cpu, partial(grouped_times, grouped, BATCH, GROUPS, followed=followed)),
                partial(_cpu, partial(times, partial(peer.commit, BATCH), each=BATCH)),
            )
            yield Figure(
                name=f"{title}, in groups of {BATCH}",
                cost=pair.ours,
                peer_name="a transaction each",
                peer=pair.peer,
                goal=goal,
            )


def _cpu(take: Callable[[], Times]) -> float:
    return take().cpu


if __name__ == "__main__":
    main()
