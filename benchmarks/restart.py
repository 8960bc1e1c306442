"""What a restart costs with much history, beside one with little: it must not grow with what has ended.

``python -m benchmarks.restart`` prints the CPU time of opening the ledger, loading its totals and recalling 1,000
configured tasks, with 100,000 ended tasks in the file and with 1,000.
"""

import tempfile
from collections.abc import Callable

from benchmarks._rounds import compare
from benchmarks.commit import entry
from exporter.ledger.ledger import Batch
from exporter.ledger.store import SqliteLedger
from exporter.ledger.writer import BATCH
from exporter.tasks.identity import TaskRef

MUCH, LITTLE = 100_000, 1_000
CONFIGURED = [TaskRef("default", f"task_{number}") for number in range(1000)]


def filled(url: str, ended: int) -> Callable[[], None]:
    """A ledger with so many ended tasks; what it returns restarts on it."""
    ledger = SqliteLedger(url)
    ledger.open()
    for batch, first in enumerate(range(0, ended, BATCH), 1):
        ledger.commit(Batch(batch, [entry(number) for number in range(first, first + BATCH)]), now=0.0)
    ledger.close()

    def restart() -> None:
        again = SqliteLedger(url)
        again.open()
        again.books()
        assert len(again.recall(CONFIGURED, now=0.0)) == len(CONFIGURED)
        again.close()

    return restart


def main() -> None:
    """Fill both and restart on each in turns."""
    with tempfile.TemporaryDirectory() as directory:
        much = filled(f"sqlite:///{directory}/much.db", MUCH)
        little = filled(f"sqlite:///{directory}/little.db", LITTLE)
        compare(much, little, each=1, peer_name=f"with {LITTLE} tasks ended")


if __name__ == "__main__":
    main()
