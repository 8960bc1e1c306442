"""How long a start takes that brings an old, large ledger to this version: all migrations, in one transaction.

``python -m benchmarks.migrate`` prints the seconds for a ledger of the first version with a million ended tasks, beside
opening it once more. docs/upgrading.md, and the five minutes that systemd and Kubernetes wait, lean on it.
"""

import argparse
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

from exporter.ledger.store import SqliteLedger
from exporter.ledger.tables import migrate

ENDED = 1_000_000
OPEN = 100_000


def fill(path: Path, *, ended: int, still_open: int) -> None:
    """Write a ledger as the first version had it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection, connection.begin():
        migrate(connection, to="0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            "INSERT INTO outcomes (account, task_id, out_task_id, status, first_seen_at, submitted_at, submission,"
            " finished_at, duration, credits_used) VALUES ('default', ?, ?, 'completed', 1, 1, 1, ?, 40, 1.47)",
            ((f"task_{number:026d}", f"render-{number}", float(number)) for number in range(ended)),
        )
        db.executemany(
            "INSERT INTO open_tasks (account, task_id, first_seen_at, submitted_at, submission, status, saved_at)"
            " VALUES ('default', ?, 1, 1, 1, 'running', 1)",
            ((f"task_open_{number}",) for number in range(still_open)),
        )


def opened_in(url: str) -> float:
    """The seconds that opening takes."""
    began = time.monotonic()
    ledger = SqliteLedger(url)
    ledger.open()
    ledger.close()
    return time.monotonic() - began


def main() -> None:
    """Fill one, open it twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ended", type=int, default=ENDED)
    ended = parser.parse_args().ended
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        fill(path, ended=ended, still_open=OPEN)
        size = path.stat().st_size / 1e6
        url = f"sqlite:///{path}"
        print(f"{ended:,} ended tasks, {size:,.0f} MB")
        print(f"migrated in   {opened_in(url):8.1f} s")
        print(f"opened again  {opened_in(url):8.1f} s")


if __name__ == "__main__":
    main()
