"""The lanes of a writer that shares its ledger: one for each account that it holds, over a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.accounting.series import SHOWN, Increments, Series, labels_of
from exporter.ledger.ledger import Count, Entry, LedgerError
from exporter.ledger.opening import ledger_at
from exporter.ledger.writer import LONGEST_METERS_SECONDS, LedgerWriter, Metering
from exporter.replicas.lease import Fence
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import begin, observe
from tests.ledger.places import OnServer
from tests.support.fake_clock import FakeClock
from tests.support.faulty_ledger import Fault, FaultyLedger

COMMITS = Series("commits_total", ())
FAILURES = Series("commit_failures_total", ())


def finished(account: str) -> Series:
    return Series("finished_total", labels_of(account=account, group="g"))


def requests(account: str) -> Series:
    return Series("requests_total", labels_of(account=account, endpoint="tasks/query"))


def entry(account: str, task_id: str = "t") -> Entry:
    state = begin(Item(TaskRef(account, task_id), TaskLabels(account, "g")), now=1.0)
    state = observe(state, Observation(Status.COMPLETED), now=2.0).state
    return Entry(state, ended=Count(Increments({finished(account): 1.0})))


class Held:
    """``Leases`` of one process, taken by hand; the listener drops a lane that is refused, as the service does."""

    def __init__(self, place: OnServer, owner: str) -> None:
        self.place = place
        self.owner = owner
        self.fences: dict[str, Fence] = {}
        self.refusals: list[Fence] = []
        self.drop: Callable[[str], None] = lambda _account: None

    def take(self, account: str) -> None:
        """Take it, whoever has it."""
        self.place.run(
            f"INSERT INTO leases VALUES ('{account}', '{self.owner}', 1, 0, 0) ON CONFLICT (account)"
            f" DO UPDATE SET owner = '{self.owner}', epoch = leases.epoch + 1"
        )
        [(epoch, batch)] = self.place.rows(f"SELECT epoch, batch FROM leases WHERE account = '{account}'")
        self.fences[account] = Fence(account, self.owner, epoch, batch)

    def lose(self, account: str) -> None:
        self.fences.pop(account, None)
        self.drop(account)

    def fence(self, account: str) -> Fence | None:
        return self.fences.get(account)

    def committed(self, fence: Fence) -> None:
        assert self.fences[fence.account] == fence, "each number once, in order"
        self.fences[fence.account] = replace(fence, batch=fence.batch + 1)

    def refused(self, fence: Fence) -> None:
        self.refusals.append(fence)
        if self.fences.get(fence.account, fence).epoch == fence.epoch:
            self.lose(fence.account)


class Replica:
    """One process: its writer, and what it holds."""

    def __init__(self, place: OnServer, owner: str) -> None:
        self.clock = FakeClock()
        self.ledger = FaultyLedger(ledger_at(place.url))
        self.leases = Held(place, owner)
        self.lines = CapturingLogger()
        self.writer = LedgerWriter(
            self.ledger,
            clock=self.clock,
            log=structlog.wrap_logger(self.lines, processors=[]),
            metering=Metering(
                commit_succeeded=lambda _: Increments({COMMITS: 1.0}), commit_failed=lambda: Increments({FAILURES: 1.0})
            ),
            leases=self.leases,
            account_of=lambda series: dict(series.labels).get("account"),
        )
        self.leases.drop = self.writer.drop

    async def gain(self, *accounts: str) -> None:
        for account in accounts:
            self.leases.take(account)
            await self.writer.gain(account)

    def shown(self, *accounts: str) -> dict[Series, float]:
        """What is shown of these accounts, or of all, and of none."""
        view = {series: number for series, number in self.writer.shown().items() if series not in (COMMITS, FAILURES)}
        wanted = (None, *accounts)
        return {
            series: by for series, by in view.items() if not accounts or dict(series.labels).get("account") in wanted
        }

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let time pass until something holds."""
        async with asyncio.timeout(30.0):
            while not holds():
                await self.clock.advance(0.05)
                await asyncio.sleep(0.001)


@pytest.fixture
async def replica(postgres: object, place: OnServer) -> AsyncIterator[Replica]:
    found = Replica(place, "one/15000/00")
    await found.writer.open()
    yield found
    found.ledger.fault = None
    found.ledger.release()
    with suppress(LedgerError):  # a test may have closed it
        await found.writer.close(deadline=0.0)


@pytest.fixture
async def other(replica: Replica, place: OnServer) -> AsyncIterator[Replica]:
    found = Replica(place, "other/15000/00")
    await found.writer.open()
    yield found
    await found.writer.close(deadline=0.0)


async def test_each_account_is_committed_behind_its_own_fence(replica: Replica) -> None:
    await replica.gain("a", "b")
    for account in ("a", "b", "c"):
        replica.writer.record("t", entry(account))
        replica.writer.meter(Increments({requests(account): 2.0}))
    assert await replica.writer.flush()

    assert replica.shown() == {finished("a"): 1.0, requests("a"): 2.0, finished("b"): 1.0, requests("b"): 2.0}
    assert replica.shown("a") == {finished("a"): 1.0, requests("a"): 2.0}
    assert {fence.account: fence.batch for fence in replica.leases.fences.values()} == {"a": 1, "b": 1}
    assert replica.ledger.books("a").totals == {finished("a"): 1.0}


async def test_what_is_of_several_accounts_and_of_none_is_shared_out(replica: Replica) -> None:
    await replica.gain("a", "b")
    local = [Increments({requests("b"): 4.0, requests("gone"): 1.0})]
    replica.writer.flush_from(lambda into: into.merge(local.pop()) if local else None)
    replica.writer.meter(Increments({requests("a"): 1.0, Series("own_total", ()): 3.0, requests("b"): 1.0}))
    assert await replica.writer.flush()

    assert replica.shown("b") == {requests("b"): 5.0, Series("own_total", ()): 3.0}
    assert replica.shown("nobody") == {Series("own_total", ()): 3.0}, "it is not of any account"
    assert replica.ledger.books().meters == {requests("a"): 1.0, requests("b"): 5.0}


def hand_over(local: Increments, into: Increments) -> None:
    into.merge(local)
    local.clear()


async def test_what_is_counted_locally_is_committed_for_its_account_and_wakes_no_other(replica: Replica) -> None:
    """With a thousand accounts, each poll would wake a thousand lanes."""
    await replica.gain("a", "b")
    local = Increments()
    replica.writer.flush_from(lambda into: hand_over(local, into))
    running = asyncio.create_task(replica.writer.run())
    for _ in range(3):
        local.merge({requests("b"): 1.0})
        replica.writer.meter(Increments())
        await replica.until(lambda: not local)
    await replica.until(lambda: replica.writer.shown().get(requests("b")) == 3.0)

    numbers = {account: fence.batch for account, fence in replica.leases.fences.items()}
    assert numbers["a"] == 0 < numbers["b"]
    running.cancel()


async def test_a_loop_of_a_lane_that_ends_ends_the_writers_which_is_told_of(replica: Replica) -> None:
    """Whoever runs it says so, and is unhealthy: one account that stands still for ever would be seen by nobody."""

    faults = [RuntimeError("of a kind that nobody foresaw")]

    def broken_once(_into: Increments) -> None:
        if faults:
            raise faults.pop()

    await replica.gain("a")
    replica.writer.flush_from(broken_once)
    running = asyncio.create_task(replica.writer.run())
    replica.writer.meter(Increments())
    await replica.until(running.done)
    with pytest.raises(RuntimeError, match="nobody foresaw"):
        await running


async def test_what_is_counted_locally_is_handed_over_with_its_account(replica: Replica) -> None:
    await replica.gain("a")
    local = Increments({requests("a"): 1.0})
    replica.writer.flush_from(lambda into: hand_over(local, into))
    replica.writer.meter(Increments())
    assert await replica.writer.flush("a")
    assert replica.ledger.books("a").meters == {requests("a"): 1.0}


async def counters_wait(replica: Replica, account: str) -> float:
    """Seconds until what is counted for an account is shown."""
    before, began = replica.shown().get(requests(account), 0.0), replica.clock.monotonic()
    replica.writer.meter(Increments({requests(account): 1.0}))
    await replica.until(lambda: replica.shown().get(requests(account)) == before + 1.0)
    return replica.clock.monotonic() - began


async def test_counters_of_many_accounts_do_not_wait_for_hours_after_all_came_at_once(replica: Replica) -> None:
    """What a commit waited for the others' is no measure of its own length, or it would count for each of them."""
    accounts = ("a", "b", "c", "d")
    await replica.gain(*accounts)
    replica.ledger.hold()
    for account in accounts:
        replica.writer.record("t", entry(account))
    committing = [asyncio.create_task(replica.writer.flush(account)) for account in accounts]
    assert await asyncio.to_thread(replica.ledger.is_held.wait, 20.0)
    await replica.clock.advance(20.0)
    replica.ledger.release()
    assert await asyncio.gather(*committing) == [True] * len(accounts)

    running = asyncio.create_task(replica.writer.run())
    assert await counters_wait(replica, "d") < 5.0
    running.cancel()


async def test_counters_wait_for_half_a_minute_at_most_after_a_commit_that_stood_still(replica: Replica) -> None:
    accounts = ("a", "b", "c", "d")
    await replica.gain(*accounts)
    replica.writer.record("t", entry("a"))
    replica.ledger.hold()
    committing = asyncio.create_task(replica.writer.flush("a"))
    assert await asyncio.to_thread(replica.ledger.is_held.wait, 20.0)
    await replica.clock.advance(20.0)
    replica.ledger.release()
    assert await committing

    running = asyncio.create_task(replica.writer.run())
    assert await counters_wait(replica, "a") < LONGEST_METERS_SECONDS + 5.0
    running.cancel()


async def test_a_mark_goes_where_its_series_does(replica: Replica) -> None:
    await replica.gain("a")
    replica.writer.mark([finished("a"), finished("c"), Series("own_total", ())])
    assert await replica.writer.flush()

    marks = {Series("own_total", (), SHOWN): 1.0, Series("finished_total", finished("a").labels, SHOWN): 1.0}
    assert replica.shown() == marks


async def test_a_usurped_lane_is_dropped_and_the_next_owner_has_all_that_was_durable(
    replica: Replica, other: Replica
) -> None:
    await replica.gain("a", "b")
    replica.writer.record("t1", entry("a", "t1"))
    assert await replica.writer.flush("a")
    await other.gain("a")
    for account in ("a", "b"):
        replica.writer.record("t2", entry(account, "t2"))
    running = asyncio.create_task(replica.writer.run())
    await replica.until(lambda: finished("b") in replica.shown())
    await replica.until(lambda: bool(replica.leases.refusals))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert (replica.shown("a"), replica.writer.view.failing, replica.writer.view.pending) == ({}, False, 0)
    for task in ("t1", "t2"):
        other.writer.record(task, entry("a", task))
    assert await other.writer.flush()
    assert other.shown("a") == {finished("a"): 2.0}, "each once"


async def test_an_answer_that_was_lost_is_recognised_and_meters_are_added_once(replica: Replica) -> None:
    await replica.gain("a")
    replica.writer.record("t", entry("a"))
    replica.writer.meter(Increments({requests("a"): 1.0}))
    replica.ledger.fault = Fault.AFTER
    assert not await replica.writer.flush()
    replica.ledger.fault = None
    replica.writer.record("t2", entry("a", "t2"))
    assert await replica.writer.flush()

    assert replica.shown() == {finished("a"): 2.0, requests("a"): 1.0}
    assert replica.leases.fences["a"].batch == 2


async def test_while_commits_fail_nothing_is_shown_that_the_next_owner_would_not_have(
    replica: Replica, other: Replica
) -> None:
    await replica.gain("a")
    replica.writer.meter(Increments({requests("a"): 3.0}))
    assert await replica.writer.flush()
    replica.ledger.fault = Fault.BEFORE
    replica.writer.meter(Increments({requests("a"): 4.0}))
    assert not await replica.writer.flush()
    shown = replica.shown()
    await other.gain("a")

    assert shown == other.shown() == {requests("a"): 3.0}


async def test_nothing_of_an_earlier_tenure_goes_into_the_next(replica: Replica) -> None:
    await replica.gain("a")
    replica.ledger.fault = Fault.BEFORE
    replica.writer.record("t1", entry("a", "t1"))
    assert not await replica.writer.commit()
    replica.writer.record("t2", entry("a", "t2"))
    replica.ledger.fault = None
    replica.leases.lose("a")
    await replica.gain("a")
    assert replica.writer.view.pending == 0
    replica.writer.record("t3", entry("a", "t3"))
    assert await replica.writer.flush()

    assert replica.shown() == {finished("a"): 1.0}


async def test_a_commit_that_ends_after_its_lane_is_gone_publishes_nothing(replica: Replica) -> None:
    await replica.gain("a")
    replica.writer.record("t", entry("a"))
    replica.ledger.hold()
    committing = asyncio.create_task(replica.writer.commit())
    assert await asyncio.to_thread(replica.ledger.is_held.wait, 20.0)
    replica.writer.drop("a")
    replica.ledger.release()
    assert await committing

    assert replica.shown() == {}
    assert (await replica.writer.gain("a")).totals == {finished("a"): 1.0}, "it was durable all the same"
    replica.writer.record("t2", entry("a", "t2"))
    assert await replica.writer.flush()
    assert replica.shown() == {finished("a"): 2.0}


async def test_what_is_not_held_is_not_gained(replica: Replica) -> None:
    with pytest.raises(LedgerError, match="account a is not this exporter's"):
        await replica.writer.gain("a")


async def test_a_failing_lane_holds_up_no_other(replica: Replica, place: OnServer) -> None:
    await replica.gain("a", "b")
    place.run("CREATE FUNCTION refuse() RETURNS trigger AS 'BEGIN RAISE ''no''; END' LANGUAGE plpgsql")
    place.run(
        "CREATE TRIGGER refusing BEFORE INSERT ON outcomes FOR EACH ROW WHEN (NEW.account = 'a')"
        " EXECUTE FUNCTION refuse()"
    )
    replica.writer.record("t", entry("a"))
    replica.writer.record("t", entry("b"))
    running = asyncio.create_task(replica.writer.run())
    await replica.until(lambda: replica.writer.view.failing and finished("b") in replica.shown())
    place.run("DROP TRIGGER refusing ON outcomes")
    await replica.until(lambda: not replica.writer.view.failing)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert replica.shown() == {finished("a"): 1.0, finished("b"): 1.0}


async def test_closing_saves_the_lanes_that_can_be_saved(replica: Replica, other: Replica) -> None:
    await replica.gain("a", "b")
    replica.writer.record("t", entry("a"))
    replica.writer.record("t", entry("b"))
    await other.gain("a")
    closing = asyncio.create_task(replica.writer.close(deadline=5.0))
    await replica.until(closing.done)

    assert closing.result()
    assert dict(other.ledger.books().totals) == {finished("b"): 1.0}


async def test_pruning_and_recalling_go_on_for_the_accounts_that_are_left(replica: Replica, other: Replica) -> None:
    await replica.gain("a", "b")
    for account in ("a", "b"):
        replica.writer.record("t", entry(account))
    assert await replica.writer.flush()
    for deleted in (0, 1):
        replica.clock.step_wall(6.0)
        aged = await replica.writer.aged(retention=10.0, except_accounts=())
        if deleted:
            await other.gain("a")
        assert await replica.writer.prune(gone=aged, kept=()) == deleted
    assert [fence.account for fence in replica.leases.refusals] == ["a"]
    assert await replica.writer.aged(retention=10.0, except_accounts=()) == []
    refs = [TaskRef("a", "t"), TaskRef("b", "t")]
    assert list(await replica.writer.recall(refs)) == refs[:1]


# ---- registrations -------------------------------------------------------------------------------------------------


def registration(account: str, task_id: str) -> Registration:
    return Registration("g", TaskRef(account, task_id), 1.0)


def item(account: str, task_id: str) -> Item:
    return Item(TaskRef(account, task_id), TaskLabels(account, "g"))


async def test_any_replica_registers_and_only_the_owner_begins_the_task(
    replica: Replica, other: Replica, place: OnServer
) -> None:
    await replica.gain("a")
    known = await other.writer.register([registration("a", "t1")], [item("a", "t1")])
    mine = await replica.writer.register([registration("a", "t2")], [item("a", "t2")])

    assert (list(known), list(mine)) == ([], [TaskRef("a", "t2")])
    assert place.rows("SELECT task_id FROM open_tasks") == [("t2",)]
    assert await other.writer.registration_versions() == {"a": 2}
    assert await replica.writer.registrations_since("a", 0) == ([registration("a", "t1"), registration("a", "t2")], [])
    assert await replica.writer.registrations_since("a", 1) == ([registration("a", "t2")], [])


async def test_what_is_given_up_is_told_and_may_come_again(replica: Replica, other: Replica, place: OnServer) -> None:
    one = registration("a", "t")
    await replica.writer.register([one, one], [])
    await other.writer.unregister([one, registration("a", "never")])
    assert await replica.writer.registrations() == []
    assert await replica.writer.registrations_since("a", 1) == ([], [one])
    again = replace(one, model="veo")
    await other.writer.register([again], [])
    assert await replica.writer.registrations_since("a", 2) == ([again], [])
    assert await replica.writer.registrations() == [again]
    await other.writer.unregister([again])
    await replica.gain("a")
    replica.clock.step_wall(2 * 86_400.0)
    replica.writer.record("t", entry("a"))
    assert await replica.writer.flush()
    replica.clock.step_wall(60.0)
    await replica.writer.prune(gone=await replica.writer.aged(retention=10.0, except_accounts=()), kept=())
    assert place.rows("SELECT count(*) FROM registrations") == [(0,)]


async def test_an_owner_that_was_usurped_still_registers(replica: Replica, other: Replica) -> None:
    await replica.gain("a")
    await other.gain("a")

    assert await replica.writer.register([registration("a", "t")], [item("a", "t")]) == {}
    assert [fence.account for fence in replica.leases.refusals] == ["a"]
    assert await other.writer.registrations() == [registration("a", "t")]


async def test_two_that_register_at_once_lose_nothing_and_follow_each_other(replica: Replica, other: Replica) -> None:
    """Versions come in order: whoever asks for what is new since the last one misses nothing."""
    numbers = count()
    await replica.gain("a")
    seen: dict[TaskRef, Registration] = {}
    version = 0

    async def follow() -> None:
        nonlocal version
        found = (await other.writer.registration_versions()).get("a", 0)
        added, removed = await other.writer.registrations_since("a", version)
        version = found
        seen.update({each.ref: each for each in added})
        for each in removed:
            seen.pop(each.ref, None)

    async def register(writer: LedgerWriter) -> None:
        for _ in range(20):
            new = registration("a", f"t{next(numbers) % 15}"), registration("b", f"t{next(numbers) % 15}")
            await writer.register(new, [item("a", str(each.ref.task_id)) for each in new])
            await writer.unregister([registration("a", f"t{next(numbers) % 15}")])
            await follow()

    async with asyncio.timeout(60.0):
        await asyncio.gather(register(replica.writer), register(other.writer))
    await follow()

    kept = await replica.writer.registrations()
    assert len({(each.group, each.ref) for each in kept}) == len(kept)
    assert seen == {each.ref: each for each in kept if each.ref.account == "a"}
    assert {each.ref.account for each in kept} == {"a", "b"}
