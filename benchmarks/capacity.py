"""How much one PostgreSQL server carries: what replicas do with it, and nothing else that they do.

``python -m benchmarks.capacity`` starts a server of its own (fsync on, a Unix socket) and takes some five minutes. Each
replica is a process that follows the lease protocol, and records tasks as they would be seen: each once when it comes,
and again with its outcome when it ends. The exporter's own writer makes them durable. Printed are, of each case: tasks
that became durable a second beside those that came; how long an entry waited for that (what waits, by what became
durable a second); how long a commit took, 99 of 100; accounts that were lost, which none must be; and what server and
replicas took of the machine's processors.

Everything runs on one machine, so what is printed here is less than a server alone carries.
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from random import Random
from statistics import mean, quantiles

import structlog

from benchmarks._processor import cpu_seconds_of_all
from exporter.accounting.series import Increments
from exporter.clock import SystemClock
from exporter.ledger.ledger import Count, Entry
from exporter.ledger.opening import leases_at, ledger_at
from exporter.ledger.writer import LedgerWriter, Metering
from exporter.metrics.catalogue import account_of
from exporter.metrics.events import count_outcome
from exporter.replicas.keeper import Keeper
from exporter.replicas.lease import longest_answer
from exporter.replicas.replica import Replica
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe
from tests.support.postgres import Postgres, running_postgres

LEASE = 15.0
LIFE = 5.0
"""Seconds from when a task comes until it ends."""

TICK = 0.05
SETTLE_SECONDS = 8.0
WATCHED_SECONDS = 20.0
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """So many replicas share so many accounts, of which so many tasks come a second in all.

    It is watched for so many ``seconds``.
    """

    replicas: int
    accounts: int
    tasks_per_second: int
    seconds: float = WATCHED_SECONDS

    @property
    def settle_seconds(self) -> float:
        """How long it may take until all accounts are owned, and as many tasks end as come."""
        return SETTLE_SECONDS + self.accounts / 50


CASES = (
    Case(1, 10, 100),
    Case(1, 10, 1000),
    Case(2, 10, 1000),
    Case(1, 100, 100),
    Case(2, 100, 100),
    Case(2, 100, 1000),
    Case(4, 1000, 100),
    Case(4, 1000, 500),
    Case(16, 100, 100),
    Case(16, 1000, 100),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What one replica saw while it was watched; seconds and numbers."""

    owned: int
    durable: int
    pending: float
    commits: tuple[float, ...]
    lost: int
    cpu: float


# ---- one replica -----------------------------------------------------------------------------------------------------


class Player:
    """A replica without an API: it owns accounts, and their tasks come and end by the clock."""

    def __init__(self, url: str, case: Case, number: int) -> None:
        self._case = case
        self._random = Random(number)
        self._names = [f"account-{index}" for index in range(case.accounts)]
        replica = Replica(f"replica-{number}", url="", accounts=self._names, random=self._random, lease=LEASE)
        self.owner = replica.owner
        self.store = leases_at(url, lease=LEASE)
        clock, log = SystemClock(), structlog.wrap_logger(structlog.PrintLogger(sys.stderr), wrapper_class=_Errors)
        self._keeper = Keeper(replica, self.store, patience=longest_answer(LEASE), clock=clock, log=log)
        self._commits: list[float] = []
        self._writer = LedgerWriter(
            ledger_at(url),
            clock=clock,
            log=log,
            metering=Metering(commit_succeeded=self._committed),
            leases=self._keeper,
            account_of=account_of,
        )
        self._ends: list[tuple[float, int, Entry]] = []
        self._numbers = 0
        self._lost = 0
        self._open: list[str] = []
        self._gained: asyncio.Queue[str] = asyncio.Queue()
        self._keeper.subscribe(self)

    def gained(self, account: str) -> None:
        self._gained.put_nowait(account)

    def leaving(self, account: str) -> None:
        self._keeper.let_go(account)

    def lost(self, account: str) -> None:
        self._lost += 1
        self._writer.drop(account)
        if account in self._open:
            self._open.remove(account)

    async def play(self) -> Found:
        """Take part, and say what was seen once everything has settled."""
        await self._writer.open()
        loops = [
            asyncio.create_task(each)
            for each in (self._keeper.run(), self._writer.run(), self._begin_what_is_gained(), self._let_tasks_come())
        ]
        watching = asyncio.create_task(self._watch())
        await asyncio.wait([watching, *loops], return_when=asyncio.FIRST_COMPLETED)
        for ended in (loop for loop in loops if loop.done()):  # nothing is to be learnt from half a replica
            ended.result()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        return await watching

    async def _watch(self) -> Found:
        await asyncio.sleep(self._case.settle_seconds)
        self._commits.clear()
        self._lost, counted, cpu, pending = 0, self._counted(), time.process_time(), list[int]()
        until = time.monotonic() + self._case.seconds
        while time.monotonic() < until:
            pending.append(self._writer.view.pending)
            await asyncio.sleep(TICK)
        return Found(
            owned=len(self._open),
            durable=self._counted() - counted,
            pending=mean(pending),
            commits=tuple(self._commits),
            lost=self._lost,
            cpu=time.process_time() - cpu,
        )

    def _counted(self) -> int:
        """Tasks whose end is durable."""
        shown = self._writer.shown()
        return round(sum(by for series, by in shown.items() if series.family == "bytespike_tasks_finished_total"))

    def _committed(self, seconds: float) -> Increments:
        self._commits.append(seconds)
        return Increments()

    async def _begin_what_is_gained(self) -> None:
        while True:
            account = await self._gained.get()
            await self._writer.gain(account)
            self._open.append(account)

    async def _let_tasks_come(self) -> None:
        """Each account's share of the tasks, at random moments; the ends of those that came before."""
        rate = self._case.tasks_per_second / self._case.accounts
        due = time.monotonic()
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            wanted = rate * len(self._open) * (now - due)
            for _ in range(int(wanted) + (self._random.random() < wanted % 1)):
                self._come(self._random.choice(self._open), now)
            while self._ends and self._ends[0][0] <= now:
                _, _, end = heappop(self._ends)
                self._writer.record(end.state.ref.task_id, end)
            due = now

    def _come(self, account: str, now: float) -> None:
        self._numbers += 1
        name, labels = f"{self.owner}-{self._numbers}", TaskLabels(account, "renders", "sora-2-pro")
        state = begin(Item(TaskRef(account, name), labels), now=time.time())
        state = observe(state, Observation(Status.RUNNING, estimated_seconds=35), now=time.time()).state
        self._writer.record(name, Entry(state))
        step = observe(state, Observation(Status.COMPLETED, credits_used=1.47), now=time.time() + LIFE)
        assert step.outcome is not None
        heappush(
            self._ends,
            (now + LIFE, self._numbers, Entry(step.state, ended=Count(*count_outcome(labels, step.outcome)))),
        )


class _Errors(structlog.BoundLoggerBase):
    """A log of what fails."""

    def error(self, event: str, **fields: object) -> None:
        self._logger.msg(f"{event} {fields}")

    warning = error

    def info(self, event: str, **fields: object) -> None:
        """Nothing is told of what goes well."""


def play(url: str, case: Case, number: int, all_there: Barrier, results: "Queue[Found]") -> None:
    """What one process does."""
    player = Player(url, case, number)
    player.store.renew(player.owner, "", {})  # all are seen by all before the first takes its share
    all_there.wait(START_SECONDS)
    results.put(asyncio.run(player.play()))


# ---- all of them -----------------------------------------------------------------------------------------------------


def played(server: Postgres, case: Case) -> tuple[Sequence[Found], float]:
    """What the replicas of a case saw, and the processor that the server took meanwhile, in seconds a second."""
    url = server.url(server.create_database())
    ledger = ledger_at(url)  # its tables
    ledger.open()
    ledger.close()
    context = multiprocessing.get_context("spawn")
    all_there, results = context.Barrier(case.replicas + 1), context.Queue()
    players = [
        context.Process(target=play, args=(url, case, number, all_there, results), daemon=True)
        for number in range(case.replicas)
    ]
    for player in players:
        player.start()
    all_there.wait(START_SECONDS)
    time.sleep(case.settle_seconds)
    cpu, began = cpu_seconds_of_all(server.pid), time.monotonic()
    time.sleep(case.seconds)
    share = (cpu_seconds_of_all(server.pid) - cpu) / (time.monotonic() - began)
    found = [results.get(timeout=START_SECONDS) for _ in players]
    for player in players:
        player.join(START_SECONDS)
    return found, share


def line(case: Case, found: Sequence[Found], server: float) -> str:
    """One row of the table."""
    durable = sum(each.durable for each in found) / case.seconds
    pending = sum(each.pending for each in found)
    commits = [seconds for each in found for seconds in each.commits]
    slowest = quantiles(commits, n=100)[-1] if len(commits) > 1 else 0.0
    entries = 2 * durable  # it came, and it ended
    return (
        f"| {case.replicas} | {case.accounts:,} | {case.tasks_per_second:,} | {durable:,.0f}"
        f" | {pending / max(entries, 1):.2f} s | {len(commits) / case.seconds:,.0f} | {slowest:.2f} s"
        f" | {sum(each.lost for each in found)} | {server:.0%}"
        f" | {sum(each.cpu for each in found) / len(found) / case.seconds:.0%} |"
    )


def rows(server: Postgres, cases: Sequence[Case]) -> Iterator[str]:
    """The table."""
    yield (
        "| replicas | accounts | tasks a second | made durable | after | commits a second | 99 of 100 within | lost"
        " | server | a replica |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for case in cases:
        found, share = played(server, case)
        owned = sum(each.owned for each in found)
        if owned != case.accounts:
            print(f"{owned} of {case.accounts} accounts were owned", file=sys.stderr)
        yield line(case, found, share)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=int, nargs=3, metavar=("REPLICAS", "ACCOUNTS", "TASKS"))
    asked = parser.parse_args()
    cases = (Case(*asked.case),) if asked.case else CASES
    with running_postgres(options=("max_connections=200",)) as server:
        for row in rows(server, cases):
            print(row, flush=True)


if __name__ == "__main__":
    main()
