"""What it costs to make one outcome durable, beside a transaction of its own for each on the same kind of file.

``python -m benchmarks.commit`` prints CPU time an outcome, both ways, from one process and in turns. Both are on the
disk when they return (synchronous=FULL); the peer writes the row and one counter, and checks nothing.
"""

import sqlite3
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path

from benchmarks._rounds import compare
from exporter.ledger.ledger import Batch, Count, Entry
from exporter.ledger.store import SqliteLedger
from exporter.ledger.writer import BATCH
from exporter.metrics.events import count_outcome
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe

LABELS = TaskLabels("default", "renders", "sora-2-pro")


def entry(number: int) -> Entry:
    """A task that has just completed."""
    state = begin(Item(TaskRef("default", f"task_{number}", f"render-{number}"), LABELS), now=0.0)
    state = observe(state, Observation(Status.RUNNING, estimated_seconds=35), now=5.0).state
    step = observe(state, Observation(Status.COMPLETED, credits_used=1.47), now=40.0)
    assert step.outcome is not None
    return Entry(step.state, ended=Count(*count_outcome(LABELS, step.outcome)))


def main() -> None:
    """Compare one group commit with as many transactions."""
    numbers, batches = count(), count(1)
    with tempfile.TemporaryDirectory() as directory, closing(sqlite3.connect(Path(directory, "peer.db"))) as peer:
        peer.isolation_level = None
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE outcomes (task_id TEXT PRIMARY KEY, status TEXT, credits REAL)",
            "CREATE TABLE totals (name TEXT PRIMARY KEY, value REAL)",
        ):
            peer.execute(statement)
        ledger = SqliteLedger(f"sqlite:///{directory}/ledger.db")
        ledger.open()

        def one_by_one() -> None:
            for _ in range(BATCH):
                peer.execute("BEGIN IMMEDIATE")
                peer.execute("INSERT INTO outcomes VALUES (?, 'completed', 1.47)", (f"task_{next(numbers)}",))
                peer.execute("INSERT INTO totals VALUES ('n', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
                peer.execute("COMMIT")

        def grouped() -> None:
            ledger.commit(Batch(next(batches), [entry(next(numbers)) for _ in range(BATCH)]), now=0.0)

        compare(grouped, one_by_one, each=BATCH, peer_name="a transaction each")
        ledger.close()


if __name__ == "__main__":
    main()
