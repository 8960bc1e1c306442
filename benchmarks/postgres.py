"""What it costs to make outcomes durable on a PostgreSQL server, beside a SQLite file on the same disk.

``python -m benchmarks.postgres`` starts a server of its own (fsync on, a Unix socket), and prints for groups of 500 and
for outcomes alone: the time of an outcome by this process's processor, and by the clock, which waits for server and
disk as well; and how many fenced commits a second that makes. Both write the very same in turns: read the ratio.
"""

import tempfile
from contextlib import closing
from functools import partial
from statistics import median

from benchmarks._rounds import ROUNDS
from benchmarks.commit import ALONE, GROUPS, Grouped, Times, grouped_times
from exporter.ledger.lane import BATCH
from tests.support.postgres import Postgres, running_postgres


def compare(title: str, server: Grouped, file: Grouped, *, size: int, groups: int) -> None:
    """Print the medians of both, and their ratio."""
    take = partial(grouped_times, size=size, groups=groups)
    take(server), take(file)
    rounds = [(take(server), take(file)) for _ in range(ROUNDS)]
    ours, theirs = (Times(*(median(each[who][at] for each in rounds) for at in (0, 1))) for who in (0, 1))
    print(title)
    for name, own, other in (("processor", ours.cpu, theirs.cpu), ("clock", ours.clock, theirs.clock)):
        print(
            f"  by the {name:9} {own * 1e6:8.1f} us an outcome; SQLite {other * 1e6:8.1f} us; ratio {own / other:.2f}"
        )
    print(f"  {1 / (ours.clock * size):,.0f} fenced commits a second; SQLite {1 / (theirs.clock * size):,.0f}")


def bytes_a_row(server: Postgres, database: str) -> float:
    """What one outcome takes there, with its indexes."""
    ((size, rows),) = server.rows("SELECT pg_total_relation_size('outcomes'), count(*) FROM outcomes", database)
    return float(size / rows)


def main() -> None:
    """Compare groups, and outcomes alone."""
    with tempfile.TemporaryDirectory() as directory, running_postgres(options=()) as server:
        database = server.create_database()
        with (
            closing(Grouped(server.url(database))) as on_server,
            closing(Grouped(f"sqlite:///{directory}/ledger.db")) as in_file,
        ):
            compare(f"groups of {BATCH}", on_server, in_file, size=BATCH, groups=GROUPS)
            compare("alone", on_server, in_file, size=1, groups=ALONE)
        print(f"{bytes_a_row(server, database):.0f} bytes an outcome, with its indexes")


if __name__ == "__main__":
    main()
