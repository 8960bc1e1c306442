"""What it costs to make an outcome durable in a group, beside a transaction of its own for each on such a file.

``python -m benchmarks.commit`` prints CPU time an outcome, in groups of 500 and each alone, from one process and in
turns with the peer. All are on the disk when they return (synchronous=FULL). The peer writes the row and one counter,
and checks nothing; the exporter looks the task up by both its names, writes the row and adds to every series of an
outcome. What is to be written is made beforehand: that is the work of the answer. ``--before``: so many ended earlier.
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

from benchmarks._figures import Figure, Goal
from benchmarks._rounds import compare_seconds, taken
from exporter.ledger.ledger import Batch, Count, Entry
from exporter.ledger.store import SqliteLedger
from exporter.ledger.writer import BATCH
from exporter.metrics.events import count_outcome
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe

LABELS = TaskLabels("default", "renders", "sora-2-pro")

ALONE = 100
"""So many batches of one are timed together."""


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
        self._ledger = SqliteLedger(url)
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

    def commit(self, size: int) -> None:
        """Make so many durable."""
        for number in islice(self._numbers, size):
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO outcomes VALUES (?, 'completed', 1.47)", (f"task_{number}",))
            self._db.execute("INSERT INTO totals VALUES ('n', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
            self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


def seconds(work: Callable[[], object], *, each: int) -> float:
    """CPU time of one of so many outcomes."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / each


def grouped_seconds(grouped: Grouped, size: int, groups: int) -> float:
    """CPU time of one outcome in groups of this size, which are made beforehand."""
    made = [grouped.next(size) for _ in range(groups)]
    return seconds(lambda: list(map(grouped.commit, made)), each=size * groups)


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
        peer.commit(before)
        for size, groups in ((BATCH, 4), (1, ALONE)):
            print(f"outcomes in groups of {size}, {before:,} before")
            compare_seconds(
                partial(grouped_seconds, grouped, size, groups),
                partial(seconds, partial(peer.commit, size * groups), each=size * groups),
                peer_name="a transaction each",
            )


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(Grouped(f"sqlite:///{directory}/ledger.db")) as grouped,
        closing(OneByOne(Path(directory, "peer.db"))) as peer,
    ):
        pair = taken(
            partial(grouped_seconds, grouped, BATCH, 4),
            partial(seconds, partial(peer.commit, BATCH), each=BATCH),
        )
    yield Figure(
        name=f"an outcome made durable, in groups of {BATCH}",
        cost=pair.ours,
        peer_name="a transaction each",
        peer=pair.peer,
        goal=Goal(share=1 / 8, cost=1e-5),
    )


if __name__ == "__main__":
    main()
