"""The writer, over the real ledger; faults are put in front of it, never in place of it."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import structs
from structlog.testing import CapturingLogger

from exporter.accounting.series import SHOWN, Increments, Series, labels_of
from exporter.ledger import writer as module
from exporter.ledger.lane import BATCH
from exporter.ledger.ledger import Count, Entry, LedgerError
from exporter.ledger.store import SqliteLedger
from exporter.ledger.writer import RENEW_SECONDS, LedgerWriter, Metering
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe
from tests.support.fake_clock import FakeClock
from tests.support.faulty_ledger import Fault, FaultyLedger

FINISHED = Series("finished_total", labels_of(account="a", group="g"))
QUEUED = Series("queue_duration_seconds", labels_of(account="a", group="g"), "le:5")
REQUESTS = Series("requests_total", labels_of(account="a", endpoint="tasks/query"))
COMMITS = Series("commits_total", ())
FAILURES = Series("failures_total", ())


class Rig:
    """A writer at work on a ledger."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.ledger = FaultyLedger(SqliteLedger(f"sqlite:///{path}/ledger.db"))
        self.lines = CapturingLogger()
        self.writer = LedgerWriter(
            self.ledger,
            clock=self.clock,
            log=structlog.wrap_logger(self.lines, processors=[]),
            metering=Metering(
                commit_succeeded=lambda _: Increments({COMMITS: 1.0}),
                commit_failed=lambda: Increments({FAILURES: 1.0}),
            ),
        )

    async def run(self) -> None:
        await self.writer.open()
        self.loop = asyncio.create_task(self.writer.run())

    async def cancel(self) -> None:
        """Stop the loop, wherever it is."""
        self.loop.cancel()
        await asyncio.gather(self.loop, return_exceptions=True)

    async def stop(self, *, deadline: float = 5.0) -> bool:
        """Stop for good, letting the time pass that it takes."""
        await self.cancel()
        closing = asyncio.create_task(self.writer.close(deadline=deadline))
        while not closing.done():
            await self.clock.advance(0.05)
            await asyncio.sleep(0.001)
        return closing.result()

    async def pass_time(self, seconds: float) -> None:
        """Move the clock in small steps and let the ledger's real thread keep up with it."""
        for _ in range(max(1, round(seconds / 0.05))):
            await self.clock.advance(0.05)
            await self.writer.recall([TaskRef("a", "nothing")])
            await self.clock.settle()

    async def held(self) -> None:
        """Wait until something is held in the ledger's thread."""
        assert await asyncio.to_thread(self.ledger.is_held.wait, 5.0)

    def shown(self) -> dict[Series, float]:
        view = self.writer.shown()
        return {series: number for series, number in view.items() if series != COMMITS}

    def events(self) -> list[str]:
        return [call.kwargs["event"] for call in self.lines.calls]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    await rig.run()
    yield rig
    rig.ledger.fault = None
    rig.ledger.release()
    await rig.stop()


async def kept(path: Path) -> dict[Series, float]:
    """What the next process finds."""
    rig = Rig(path)
    await rig.run()
    shown = rig.shown()
    await rig.stop()
    return shown


def entry(status: Status, task_id: str = "t") -> Entry:
    state = begin(Item(TaskRef("a", task_id), TaskLabels("a", "g")), now=1.0)
    state = observe(state, Observation(status), now=2.0).state
    started = Count(Increments({QUEUED: 1.0})) if status is Status.RUNNING else None
    ended = Count(Increments({FINISHED: 1.0})) if status.is_terminal else None
    return Entry(state, started=started, ended=ended)


def one(series: Series) -> Increments:
    return Increments({series: 1.0})


# ---- what is committed, and when it is shown -----------------------------------------------------------------------


async def test_nothing_is_shown_before_it_is_committed(rig: Rig) -> None:
    rig.writer.record("t", entry(Status.COMPLETED))
    assert (rig.shown(), rig.writer.view.pending) == ({}, 1)

    await rig.pass_time(0.2)

    assert (rig.shown(), rig.writer.view.pending) == ({FINISHED: 1.0}, 0)
    assert rig.ledger.books().totals[FINISHED] == 1.0
    assert rig.writer.view.last_commit_at is not None


async def test_full_batches_follow_each_other_without_a_wait_and_what_is_left_waits_for_company(rig: Rig) -> None:
    for number in range(3 * BATCH + 1):
        rig.writer.record(number, entry(Status.COMPLETED, f"t{number}"))
    for _ in range(10):  # no time passes, but for the ledger's thread
        await rig.clock.settle()
        await rig.writer.recall([TaskRef("a", "nothing")])

    assert (rig.ledger.commits, rig.writer.view.pending) == (3, 1)
    await rig.pass_time(0.2)
    assert (rig.writer.view.pending, rig.shown()) == (0, {FINISHED: 3.0 * BATCH + 1})


async def test_a_mark_is_durable_at_once_and_shown_then(rig: Rig) -> None:
    mark = structs.replace(FINISHED, part=SHOWN)
    rig.writer.mark([FINISHED])
    assert mark not in rig.shown()

    await rig.pass_time(0.2)

    assert rig.shown() == {mark: 1.0}
    assert rig.ledger.books().totals == {mark: 1.0}


async def test_a_mark_whose_commit_fails_is_committed_again(rig: Rig) -> None:
    rig.ledger.fault = Fault.AFTER
    rig.writer.mark([FINISHED])
    await rig.pass_time(0.2)
    mark = structs.replace(FINISHED, part=SHOWN)
    assert mark not in rig.writer.shown()
    rig.ledger.fault = None
    await rig.pass_time(2.0)
    assert rig.writer.shown()[mark] == 1.0


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


async def test_flushing_commits_all_that_was_recorded_so_far(rig: Rig) -> None:
    for i in range(2 * BATCH + 1):
        rig.writer.record(i, entry(Status.COMPLETED, f"t{i}"))
    rig.writer.meter(one(REQUESTS))

    assert await rig.writer.flush()
    assert rig.shown() == {FINISHED: 2 * BATCH + 1, REQUESTS: 1.0}
    rig.writer.meter(one(REQUESTS))
    assert await rig.writer.flush()
    assert rig.shown()[REQUESTS] == 2.0
    rig.ledger.fault = Fault.BEFORE
    rig.writer.meter(one(REQUESTS))
    assert not await rig.writer.flush()


# ---- a ledger that fails -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LedgerError("disk full"), RuntimeError("a driver's whim")])
async def test_a_failing_ledger_is_seen_and_nothing_is_lost(rig: Rig, error: Exception) -> None:
    rig.ledger.fault, rig.ledger.error = Fault.BEFORE, error
    rig.writer.record("t", entry(Status.RUNNING))
    await rig.pass_time(0.2)
    rig.writer.record("t", entry(Status.COMPLETED))
    rig.writer.meter(one(REQUESTS))
    await rig.pass_time(3.0)

    view = rig.writer.view
    assert (view.failing, view.pending) == (True, 1)
    assert rig.shown()[REQUESTS] == 1.0, "what the exporter does itself stays visible"
    assert FINISHED not in rig.shown()

    rig.ledger.fault = None
    await rig.pass_time(11.0)

    view = rig.writer.view
    assert (view.failing, view.pending) == (False, 0)
    shown = rig.shown()
    assert (shown[FINISHED], shown[QUEUED], shown[REQUESTS]) == (1.0, 1.0, 1.0)
    assert shown[FAILURES] >= 1.0
    assert rig.events() == ["ledger_failing", "ledger_recovered"], "one line a change of state"


@pytest.mark.parametrize("fault", [Fault.AFTER, Fault.SUMS])
async def test_a_commit_that_was_durable_and_failed_counts_once(rig: Rig, fault: Fault) -> None:
    rig.ledger.fault = fault
    rig.writer.record("t", entry(Status.COMPLETED))
    rig.writer.meter(one(REQUESTS))
    await rig.pass_time(4.0)
    assert rig.ledger.commits > 1
    assert FINISHED not in rig.shown(), "it may be durable, but nobody knows"

    rig.writer.record("t2", entry(Status.COMPLETED, "t2"))
    rig.ledger.fault = None
    await rig.pass_time(11.0)

    books = rig.ledger.books()
    assert (books.totals[FINISHED], books.meters[REQUESTS]) == (2.0, 1.0)
    assert (rig.shown()[FINISHED], rig.shown()[REQUESTS]) == (2.0, 1.0)
    assert books.meters[FAILURES] == rig.shown()[FAILURES]


async def test_what_waits_is_bounded_by_the_tasks(rig: Rig) -> None:
    rig.ledger.fault = Fault.BEFORE
    for _ in range(50):
        for task in ("t1", "t2"):
            rig.writer.record(task, entry(Status.RUNNING, task))
        await rig.pass_time(0.1)

    assert rig.writer.view.pending == 2


async def test_what_counts_nothing_is_forgotten_with_its_task(rig: Rig) -> None:
    rig.ledger.fault = Fault.BEFORE
    rig.writer.record("in flight", entry(Status.PENDING, "in flight"))
    await rig.pass_time(0.2)
    for number in range(1000):
        rig.writer.record(number, entry(Status.PENDING, f"t{number}"))
        rig.writer.forget(number, "a")
    for status in (Status.RUNNING, Status.FAILED):
        rig.writer.record(status, entry(status, status))
        rig.writer.forget(status, "a")
    rig.writer.forget("in flight", "a")
    rig.writer.forget("unheard of", "a")

    assert rig.writer.view.pending == 3
    rig.ledger.fault = None
    await rig.pass_time(11.0)
    assert (rig.shown()[QUEUED], rig.shown()[FINISHED]) == (1.0, 1.0)


async def test_what_waits_of_two_tasks_that_are_one_counts_once_and_before_the_state_of_both(rig: Rig) -> None:
    rig.ledger.fault = Fault.BEFORE
    rig.writer.record("in flight", entry(Status.PENDING, "in flight"))
    await rig.pass_time(0.2)
    for status in (Status.RUNNING, Status.FAILED):
        both, other = f"both {status}", f"other {status}"
        rig.writer.record(both, entry(Status.PENDING, other))
        rig.writer.record(other, entry(status, other))
        rig.writer.join(other, both, "a")
        rig.writer.record(both, Entry(entry(status, other).state))  # what the other counted is not counted again
    rig.writer.record("news", entry(Status.PENDING, "news"))
    rig.writer.join("news", "both", "a")
    rig.writer.join("unheard of", "both", "a")

    assert rig.writer.view.pending == 3
    rig.ledger.fault = None
    await rig.pass_time(11.0)
    assert (rig.shown()[QUEUED], rig.shown()[FINISHED]) == (1.0, 1.0)


async def test_a_full_writer_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_LIMIT", 3)
    rig.ledger.fault = Fault.BEFORE
    rig.writer.record("in flight", entry(Status.PENDING, "in flight"))
    await rig.pass_time(0.2)
    for number in range(3):
        assert not rig.writer.is_full
        rig.writer.record(number, entry(Status.PENDING, f"t{number}"))

    assert rig.writer.is_full
    rig.ledger.fault = None
    await rig.pass_time(11.0)
    assert not rig.writer.is_full


@pytest.mark.parametrize("is_recalling", [False, True])
async def test_commits_to_a_slow_disk_leave_half_of_the_time_to_whoever_looks_tasks_up(
    rig: Rig, *, is_recalling: bool
) -> None:
    loop, begun, ended = asyncio.get_running_loop(), list[float](), list[float]()

    def pause() -> None:
        begun.append(rig.clock.monotonic())
        asyncio.run_coroutine_threadsafe(rig.clock.sleep(1.0), loop).result(20.0)
        ended.append(rig.clock.monotonic())

    async def recall() -> None:
        while True:
            await rig.writer.recall([TaskRef("a", "t")])
            await asyncio.sleep(0.001)

    rig.ledger.pause = pause
    recalling = [asyncio.create_task(recall())] if is_recalling else []
    while len(ended) < 4:
        rig.writer.record("t", entry(Status.PENDING))
        await rig.clock.advance(0.05)
        await asyncio.sleep(0.001)
    rig.ledger.pause = lambda: None
    for task in recalling:
        task.cancel()

    waits = [then - before for before, then in zip(ended[1:], begun[2:], strict=False)]
    assert (min(waits) >= 1.0) is is_recalling


# ---- the end -------------------------------------------------------------------------------------------------------


async def test_closing_commits_what_is_left(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.run()
    for i in range(BATCH + 5):
        rig.writer.record(i, entry(Status.COMPLETED, f"t{i}"))
    rig.writer.meter(one(REQUESTS))
    assert await rig.stop()

    assert await kept(tmp_path) == {FINISHED: BATCH + 5, REQUESTS: 1.0}


async def test_what_waits_behind_a_slow_call_is_not_lost(tmp_path: Path) -> None:
    """A pruning, a recall, a registration: whatever the thread is busy with when the process is stopped."""
    rig = Rig(tmp_path)
    await rig.run()
    rig.ledger.hold()
    slow = asyncio.create_task(rig.writer.aged(retention=10.0, except_accounts=()))
    await rig.held()
    rig.writer.record("t1", entry(Status.COMPLETED, "t1"))
    await rig.clock.advance(1.0)
    assert rig.writer.view.pending == 1, "its commit waits in the thread"
    rig.writer.record("t2", entry(Status.COMPLETED, "t2"))
    slow.cancel()
    await rig.cancel()
    closing = asyncio.create_task(rig.writer.close(deadline=5.0))
    await rig.clock.advance(1.0)
    rig.ledger.release()

    assert await closing
    assert await kept(tmp_path) == {FINISHED: 2.0}


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_commit_in_flight_that_fails_is_tried_again_within_the_deadline(tmp_path: Path, fault: Fault) -> None:
    rig = Rig(tmp_path)
    await rig.run()
    rig.ledger.hold()
    rig.writer.record("t", entry(Status.COMPLETED))
    rig.writer.meter(one(REQUESTS))
    await rig.clock.advance(0.1)
    await rig.held()
    await rig.cancel()
    rig.ledger.fault = fault
    closing = asyncio.create_task(rig.writer.close(deadline=5.0))
    rig.ledger.release()
    for _ in range(3):
        await rig.clock.advance(0.3)
        await asyncio.sleep(0.02)
    assert not closing.done()
    rig.ledger.fault = None
    while not closing.done():
        await rig.clock.advance(0.1)
        await asyncio.sleep(0.001)

    assert closing.result()
    found = await kept(tmp_path)
    assert (found[FINISHED], found[REQUESTS]) == (1.0, 1.0)


async def test_closing_a_failing_ledger_says_what_is_lost(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.run()
    rig.ledger.fault = Fault.BEFORE
    rig.writer.record("t", entry(Status.COMPLETED))
    began = rig.clock.monotonic()
    assert not await rig.stop(deadline=3.0)

    assert 3.0 <= rig.clock.monotonic() - began <= 3.5
    assert rig.events() == ["ledger_failing", "ledger_closed_with_pending"]
    assert rig.lines.calls[-1].kwargs == {
        "event": "ledger_closed_with_pending", "pending": 1, "meters": True, "error": "disk full",
    }  # fmt: skip


async def test_closing_waits_for_a_ledger_that_hangs_until_the_deadline_and_no_longer(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.run()
    rig.ledger.hold()
    rig.writer.record("t", entry(Status.COMPLETED))
    began = rig.clock.monotonic()
    assert not await rig.stop(deadline=3.0)
    assert 3.0 <= rig.clock.monotonic() - began <= 3.5

    rig.ledger.release()
    with pytest.raises(LedgerError, match="the ledger is closed"):
        await rig.writer.registrations()


async def test_whoever_is_cancelled_before_the_ledger_began_has_registered_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.run()
    refs = [TaskRef("a", f"t{number}") for number in range(2)]
    rig.ledger.hold()
    asking = [asyncio.create_task(rig.writer.register([Registration("g", ref, 1.0)], [])) for ref in refs]
    await rig.held()
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    rig.ledger.release()
    assert await rig.stop()

    again = Rig(tmp_path)
    await again.run()
    assert [registration.ref for registration in await again.writer.registrations()] == refs[:1]
    await again.stop()


async def test_a_ledger_with_damaged_sums_is_closed_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.ledger.fault = Fault.SUMS
    with pytest.raises(LedgerError, match="disk full"):
        await rig.writer.open()
    rig.ledger.fault = None
    await rig.writer.open()
    assert await rig.writer.close(deadline=1.0)


async def test_old_rows_are_pruned_in_steps(rig: Rig) -> None:
    for number in range(3):
        rig.writer.record(number, entry(Status.COMPLETED, f"t{number}"))
    assert await rig.writer.flush()
    assert await rig.writer.aged(retention=10.0, except_accounts=()) == []

    for deleted in (0, 2):
        rig.clock.step_wall(6.0)
        assert await rig.writer.aged(retention=10.0, except_accounts={"a"}) == []
        first = await rig.writer.aged(retention=10.0, except_accounts=(), limit=2)
        assert (len(first), await rig.writer.prune(gone=first, kept=())) == (2, deleted)
        rest = await rig.writer.aged(retention=10.0, except_accounts=(), limit=2)
        assert (len(rest), await rig.writer.prune(gone=(), kept=rest)) == (1, 0)
    assert list(await rig.writer.recall([TaskRef("a", f"t{number}") for number in range(3)])) == [TaskRef("a", "t2")]


# ---- any sequence --------------------------------------------------------------------------------------------------


class AnySequence(RuleBasedStateMachine):
    """Records, commits that fail in every way, cancellations, ends gentle and not: all is counted once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.recorded: set[str] = set()
        self.durable: set[str] = set()
        self.metered = self.durable_meters = 0
        self.open()

    def open(self) -> None:
        self.rig = Rig(self.folder)
        self.loop.run_until_complete(self.rig.writer.open())
        self.shown: dict[Series, float] = {}
        books = self.rig.ledger.books()
        found = books.totals.get(FINISHED, 0.0)
        assert len(self.durable) <= found <= len(self.recorded), "what was durable is there, and nothing twice"
        assert self.durable_meters <= books.meters.get(REQUESTS, 0.0) <= self.metered
        self.metered = self.durable_meters = round(books.meters.get(REQUESTS, 0.0))

    @rule(task=st.sampled_from("abcdef"))
    def end_of_a_task(self, task: str) -> None:
        self.rig.writer.record(object(), entry(Status.COMPLETED, task))
        self.recorded.add(task)

    @rule()
    def request(self) -> None:
        self.rig.writer.meter(one(REQUESTS))
        self.metered += 1

    @rule(fault=st.sampled_from([None, *Fault]))
    def commit(self, fault: Fault | None) -> None:
        self.rig.ledger.fault = fault
        self.loop.run_until_complete(self.rig.writer.commit())
        self.rig.ledger.fault = None

    @rule(fault=st.sampled_from([None, *Fault]), attempt_too=st.booleans())
    def cancelled_commit(self, fault: Fault | None, attempt_too: bool) -> None:
        """Whoever commits is cancelled while the ledger is at it; even the attempt itself, as at the end of a loop."""
        self.rig.ledger.fault = fault
        self.loop.run_until_complete(self._cancelled_commit(attempt_too=attempt_too))
        self.rig.ledger.fault = None

    async def _cancelled_commit(self, *, attempt_too: bool) -> None:
        self.rig.ledger.hold()
        committing = asyncio.create_task(self.rig.writer.commit())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        committing.cancel()
        others = asyncio.all_tasks() - {asyncio.current_task(), committing}
        for attempt in others if attempt_too else ():
            attempt.cancel()
        self.rig.ledger.release()
        await asyncio.gather(committing, *others, return_exceptions=True)

    @rule()
    def stop(self) -> None:
        assert self.loop.run_until_complete(self.rig.writer.close(deadline=5.0))
        self.durable = set(self.recorded)
        self.durable_meters = self.metered
        self.open()

    @rule()
    def kill(self) -> None:
        """Whatever is not durable is gone."""
        self.loop.run_until_complete(asyncio.to_thread(self.rig.ledger.close))
        self.recorded = self.ended_in_ledger()
        self.open()

    def ended_in_ledger(self) -> set[str]:
        ledger = SqliteLedger(f"sqlite:///{self.folder}/ledger.db")
        ledger.open()
        found = ledger.recall([TaskRef("a", task) for task in "abcdef"], now=0.0)
        ledger.close()
        return {str(ref) for ref in found}

    @invariant()
    def nothing_shown_goes_down_or_was_not_recorded(self) -> None:
        shown = self.rig.shown()
        assert all(shown.get(series, 0.0) >= number for series, number in self.shown.items())
        assert shown.get(FINISHED, 0.0) <= len(self.recorded)
        assert shown.get(REQUESTS, 0.0) <= self.metered
        self.shown = shown
        # what was shown while commits failed may be more: a kill may lower it
        self.durable_meters = round(self.rig.ledger.books().meters.get(REQUESTS, 0.0))

    def teardown(self) -> None:
        self.loop.run_until_complete(self.rig.writer.flush())
        books = self.rig.ledger.books()
        assert books.totals.get(FINISHED, 0.0) == self.rig.shown().get(FINISHED, 0.0) == len(self.recorded)
        assert books.meters.get(REQUESTS, 0.0) == self.rig.shown().get(REQUESTS, 0.0) == self.metered
        self.loop.run_until_complete(self.rig.writer.close(deadline=5.0))
        self.loop.close()
        shutil.rmtree(self.folder)


AnySequence.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnySequence = AnySequence.TestCase


# ---- the lease -----------------------------------------------------------------------------------------------------


async def test_an_exporter_with_nothing_to_commit_finds_out_that_its_ledger_is_lost_and_that_it_is_back(
    rig: Rig,
) -> None:
    keeping = asyncio.create_task(rig.writer.keep())
    rig.ledger.fault = Fault.BEFORE
    await rig.pass_time(RENEW_SECONDS + 1.0)
    without = rig.writer.view.failing

    rig.ledger.fault = None
    await rig.pass_time(2 * RENEW_SECONDS + 10.0)
    assert (without, rig.writer.view.failing, keeping.done()) == (True, False, False)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
