"""What replicas cost and how soon one follows another: over a PostgreSQL server of its own, with real processes.

``python -m benchmarks.replicas`` takes about four minutes and prints
- how long an account is nobody's when its owner is stopped, and when it is killed, of six that move at once;
- what a replica costs that owns nothing: processor, and transactions of the server;
- how many accounts one replica takes and keeps, and what that costs in transactions.
There is no upstream: requests fail at once, which costs neither lease nor hand-over anything.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks._processor import cpu_seconds
from tests.support.postgres import Postgres, running_postgres
from tests.support.processes import RunningExporter, start_exporter

LEASE = 3.0
ROUNDS = 5
ACCOUNTS = 6
MANY = (10, 100)
WATCHED_SECONDS = 20.0
PATIENCE = 120.0
NOWHERE = "http://127.0.0.1:9"

OWNED_BY = "SELECT count(*) FROM leases WHERE owner LIKE '{}/%'"
TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = '{}'"


class Bench:
    """A database with replicas before it."""

    def __init__(self, server: Postgres, directory: Path, *, accounts: int, lease: float = LEASE) -> None:
        self._server = server
        self._database = server.create_database()
        self._directory = directory / self._database
        self._directory.mkdir()
        (self._directory / "key").write_text("sk-byts-benchmark")
        named = [{"name": f"account-{number}", "base_url": NOWHERE, "timeout": "2s"} for number in range(accounts)]
        config = {
            "accounts": [{**one, "api_key_file": str(self._directory / "key")} for one in named],
            "ledger": {"url": server.url(self._database), "lease": f"{lease:g}s"},
        }
        (self._directory / "exporter.yml").write_text(json.dumps(config))

    def start(self, name: str) -> RunningExporter:
        return start_exporter(self._directory / "exporter.yml", "--replica.id", name, log=f"{name}.log")

    def owned_by(self, name: str) -> int:
        [(number,)] = self._server.rows(OWNED_BY.format(name), self._database)
        return int(number)

    def until(self, name: str, number: int) -> float:
        """Wait until a replica owns so many accounts; seconds that took."""
        return _until(lambda: self.owned_by(name) == number)

    def transactions(self) -> int:
        [(number,)] = self._server.rows(TRANSACTIONS.format(self._database))
        return int(number)

    def watched(self, *exporters: RunningExporter) -> tuple[float, list[float]]:
        """Transactions a second, and the share of a core that each replica takes."""
        before, cpu, began = self.transactions(), [cpu_seconds(one.pid) for one in exporters], time.monotonic()
        time.sleep(WATCHED_SECONDS)
        seconds = time.monotonic() - began
        shares = [(cpu_seconds(one.pid) - was) / seconds for one, was in zip(exporters, cpu, strict=True)]
        return (self.transactions() - before) / seconds, shares


def _until(is_so: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError("the replicas did not come to what they should")
        time.sleep(0.01)
    return time.monotonic() - began


def hand_overs(server: Postgres, directory: Path, *, kill: bool) -> list[float]:
    """Seconds from the signal to the owner of all its accounts until another owns the last of them."""
    seconds = []
    for _ in range(ROUNDS):
        bench = Bench(server, directory, accounts=ACCOUNTS)
        with bench.start("first") as first:
            bench.until("first", ACCOUNTS)
            with bench.start("second"):  # it gets none before the two have lived together for longer than a lease
                (first.process.kill if kill else first.process.terminate)()
                seconds.append(bench.until("second", ACCOUNTS))
    return seconds


def idle(server: Postgres, directory: Path) -> None:
    """What a second replica costs where there is one account, and that is the first one's."""
    bench = Bench(server, directory, accounts=1, lease=15.0)
    with bench.start("first") as first:
        bench.until("first", 1)
        alone, _ = bench.watched(first)
        with bench.start("second") as second:
            time.sleep(5.0)  # it has started
            together, [_, share] = bench.watched(first, second)
    print(f"a replica that owns nothing: {share:.1%} of a core, {together - alone:.1f} transactions a second")


def capacity(server: Postgres, directory: Path, accounts: int) -> None:
    """What so many accounts cost one replica that has them all, and the server."""
    bench = Bench(server, directory, accounts=accounts, lease=15.0)
    with bench.start("first") as first:
        took = bench.until("first", accounts)
        rate, [share] = bench.watched(first)
    print(
        f"{accounts:,} accounts without tasks: taken in {took:.1f} s, {share:.0%} of a core,"
        f" {rate:.1f} transactions a second"
    )


def main() -> None:
    """Print all of it."""
    with tempfile.TemporaryDirectory() as name, running_postgres(options=()) as server:
        directory = Path(name)
        for how in ("stopped", "killed"):
            seconds = hand_overs(server, directory, kill=how == "killed")
            print(
                f"{ACCOUNTS} accounts of a replica that is {how}, leases of {LEASE:g} s: owned by another after"
                f" {median(seconds):.2f} s (the longest of {ROUNDS}: {max(seconds):.2f} s)"
            )
        idle(server, directory)
        for accounts in MANY:
            capacity(server, directory, accounts)


if __name__ == "__main__":
    main()
