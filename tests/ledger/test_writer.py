"""The writer, over the real ledger; faults are put in front of it, never in place of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.accounting.series import Increments, Series, labels_of
from exporter.accounting.totals import Aggregates
from exporter.ledger.entry import Committed, Count, Entry
from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.ledger.writer import BATCH, LedgerWriter
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe
from tests.support.fake_clock import FakeClock

FINISHED = Series("bytespike_tasks_finished_total", labels_of(account="a", group="g"))
QUEUED = Series("bytespike_tasks_queue_duration_seconds", labels_of(account="a", group="g"), "le:5")
REQUESTS = Series("bytespike_api_requests_total", labels_of(account="a", endpoint="tasks/query"))
FAILURES = Series("bytespike_exporter_ledger_failures_total", ())


class FaultyLedger(Ledger):
    """A real ledger that fails when told to, before or after its transaction was durable."""

    before: Exception | None = None
    after: Exception | None = None
    commits = 0

    def commit(self, entries: Sequence[Entry], meters: Increments, *, now: float) -> Committed:
        self.commits += 1
        if self.before:
            raise self.before
        committed = super().commit(entries, meters, now=now)
        if self.after:
            raise self.after
        return committed


class Rig:
    """A writer at work on a ledger."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.ledger = FaultyLedger(f"sqlite:///{path}/ledger.db")
        self.aggregates = Aggregates()
        self.lines = CapturingLogger()
        log = structlog.wrap_logger(self.lines, processors=[])
        self.writer = LedgerWriter(self.ledger, aggregates=self.aggregates, clock=self.clock, log=log)

    async def run(self) -> None:
        await self.writer.open()
        self.loop = asyncio.create_task(self.writer.run())

    async def stop(self) -> None:
        self.loop.cancel()
        await asyncio.gather(self.loop, return_exceptions=True)
        await self.writer.close()

    async def pass_time(self, seconds: float) -> None:
        """Move the clock in small steps and let the ledger's real thread keep up with it."""
        for _ in range(max(1, round(seconds / 0.05))):
            await self.clock.advance(0.05)
            await self.writer.recall([TaskRef("a", "nothing")])
            await self.clock.settle()

    def shown(self) -> dict[Series, float]:
        view = self.aggregates.view(include_pending=self.writer.view.failing)
        return {series: value for series, value in view.items() if "commit_duration" not in series.family}

    def events(self) -> list[str]:
        return [call.kwargs["event"] for call in self.lines.calls]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    await rig.run()
    yield rig
    rig.ledger.before = rig.ledger.after = None
    await rig.stop()


def entry(status: Status, task_id: str = "t") -> Entry:
    state = begin(Item(TaskRef("a", task_id), TaskLabels("a", "g")), now=1.0)
    state = observe(state, Observation(status), now=2.0).state
    started = Count(Increments({QUEUED: 1.0})) if status is Status.RUNNING else None
    ended = Count(Increments({FINISHED: 1.0})) if status.is_terminal else None
    return Entry(state, started=started, ended=ended)


def one(series: Series) -> Increments:
    return Increments({series: 1.0})


async def test_nothing_is_shown_before_it_is_committed(rig: Rig) -> None:
    rig.writer.record("t", entry(Status.COMPLETED))
    assert (rig.shown(), rig.writer.view.pending) == ({}, 1)

    await rig.pass_time(0.2)

    assert (rig.shown(), rig.writer.view.pending) == ({FINISHED: 1.0}, 0)
    assert rig.ledger.totals()[FINISHED] == 1.0
    assert rig.writer.view.last_commit_at is not None


async def test_what_comes_together_is_committed_together(rig: Rig) -> None:
    for i in range(20):
        rig.writer.record(i, entry(Status.COMPLETED, f"t{i}"))
    await rig.pass_time(0.2)

    assert (rig.ledger.commits, rig.shown()) == (1, {FINISHED: 20.0})


async def test_a_large_group_is_split(rig: Rig) -> None:
    for i in range(BATCH + 1):
        rig.writer.record(i, entry(Status.COMPLETED, f"t{i}"))
    await rig.pass_time(0.3)

    assert (rig.ledger.commits, rig.shown()[FINISHED]) == (2, BATCH + 1)


async def test_the_exporters_own_counters_wait_for_company_but_not_for_ever(rig: Rig) -> None:
    rig.writer.meter(one(REQUESTS))
    await rig.pass_time(0.3)
    assert rig.shown() == {}

    await rig.pass_time(0.5)
    assert rig.shown() == {REQUESTS: 1.0}


async def test_an_idle_writer_rests(rig: Rig) -> None:
    rig.writer.record("t", entry(Status.COMPLETED))
    await rig.pass_time(0.3)
    commits = rig.ledger.commits

    await rig.pass_time(5.0)

    assert rig.ledger.commits == commits


async def test_entries_of_one_task_are_merged(rig: Rig) -> None:
    for status in (Status.PENDING, Status.RUNNING, Status.COMPLETED):
        rig.writer.record("t", entry(status))
    assert rig.writer.view.pending == 1
    await rig.pass_time(0.2)

    assert rig.shown() == {QUEUED: 1.0, FINISHED: 1.0}


@pytest.mark.parametrize("fault", [LedgerError("disk full"), RuntimeError("a driver's whim")])
async def test_a_failing_ledger_is_seen_and_nothing_is_lost(rig: Rig, fault: Exception) -> None:
    rig.ledger.before = fault
    rig.writer.record("t", entry(Status.RUNNING))
    await rig.pass_time(0.2)
    rig.writer.record("t", entry(Status.COMPLETED))
    rig.writer.meter(one(REQUESTS))
    await rig.pass_time(3.0)

    view = rig.writer.view
    assert (view.failing, view.pending) == (True, 1)
    assert rig.shown()[REQUESTS] == 1.0, "what the exporter does itself stays visible"
    assert FINISHED not in rig.shown()

    rig.ledger.before = None
    await rig.pass_time(11.0)

    view = rig.writer.view
    assert (view.failing, view.pending) == (False, 0)
    shown = rig.shown()
    assert (shown[FINISHED], shown[QUEUED], shown[REQUESTS]) == (1.0, 1.0, 1.0)
    assert shown[FAILURES] >= 1.0
    assert rig.events() == ["ledger_failing", "ledger_recovered"], "one line a change of state"


async def test_a_commit_that_failed_after_it_was_durable_counts_once(rig: Rig) -> None:
    rig.ledger.after = LedgerError("connection lost at commit")
    rig.writer.record("t", entry(Status.COMPLETED))
    await rig.pass_time(0.2)
    rig.ledger.after = None
    await rig.pass_time(3.0)

    assert rig.shown()[FINISHED] == 1.0
    assert rig.ledger.totals()[FINISHED] == 1.0


async def test_what_waits_is_bounded_by_the_tasks(rig: Rig) -> None:
    rig.ledger.before = LedgerError("disk full")
    for _ in range(50):
        for task in ("t1", "t2"):
            rig.writer.record(task, entry(Status.RUNNING, task))
        await rig.pass_time(0.1)

    assert rig.writer.view.pending == 2


async def test_closing_commits_what_is_left(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.run()
    for i in range(BATCH + 5):
        rig.writer.record(i, entry(Status.COMPLETED, f"t{i}"))
    await rig.stop()

    again = Rig(tmp_path)
    await again.run()
    assert again.shown()[FINISHED] == BATCH + 5
    await again.stop()


async def test_closing_a_failing_ledger_says_what_is_lost(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.run()
    rig.ledger.before = LedgerError("disk full")
    rig.writer.record("t", entry(Status.COMPLETED))
    await rig.stop()

    assert rig.events() == ["ledger_failing", "ledger_closed_with_pending"]


async def test_a_failed_pruning_is_left_to_the_next(rig: Rig) -> None:
    rig.writer.record("t", entry(Status.COMPLETED))
    await rig.pass_time(0.2)
    assert not await rig.writer.prune(before=10.0, followed=())
    assert await rig.writer.prune(before=10.0, followed=())

    rig.ledger.close()
    assert await rig.writer.prune(before=10.0, followed=())
    assert rig.events() == ["ledger_prune_failed"]
    rig.ledger.open()
