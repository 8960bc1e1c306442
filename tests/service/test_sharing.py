"""What a replica does about the accounts that it comes to own and that it loses: a crash and a start, one by one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.ledger.ledger import Books, LedgerError
from exporter.replicas.keeper import Keeper
from exporter.replicas.replica import Replica
from exporter.service.sharing import RETRY_SECONDS, STREAM_MARGIN, Sharing
from tests.replicas.model_store import Database, ModelStore
from tests.support.fake_clock import FakeClock

LEASE = 15.0
BOOKS = Books(totals={}, meters={}, batch=0)


class Bench:
    """A replica of two accounts with everything around it, which notes what it is told.

    ``busy``: a request of an account is under way. ``refuses``: the ledger cannot be read, or takes nothing.
    ``damaged`` are accounts of which it cannot be read; ``slow``: what is followed takes time to change;
    ``reading``: so does what is read of an account.
    """

    def __init__(self, database: Database) -> None:
        self.clock = FakeClock()
        self.store = ModelStore(database)
        replica = Replica("one", url="", accounts=("blue", "green"), random=Random(1), lease=LEASE)
        self.keeper = Keeper(replica, self.store, patience=5.0, clock=self.clock, log=structlog.get_logger())
        self.said: list[str] = []
        self.busy = asyncio.Event()
        self.busy.set()
        self.refuses = False
        self.damaged: set[str] = set()
        self.slow = asyncio.Event()
        self.slow.set()
        self.reading = asyncio.Event()
        self.reading.set()
        self.sharing = Sharing(
            accounts=self,
            lanes=self,
            follow=self.follow,
            begun=lambda _: self.said.append("begun"),
            clock=self.clock,
            log=structlog.get_logger(),
        )
        self.keeper.subscribe(self.sharing)

    async def run(self, seconds: float = 2.0) -> None:
        """Let time pass; the keeper's questions go through a thread."""
        for _ in range(round(seconds / 0.25)):
            await self.clock.advance(0.25)
            await asyncio.sleep(0.002)
            await self.clock.settle()

    # ---- the accounts --------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        self.said.append(f"begin {name}")

    async def finish(self, name: str) -> None:
        self.said.append(f"finish {name}")
        await self.busy.wait()

    def close_streams(self, name: str) -> None:
        self.said.append(f"close streams of {name}")

    # ---- the lanes -----------------------------------------------------------------------------------------------

    async def gain(self, account: str) -> Books:
        if self.refuses or account in self.damaged:
            raise LedgerError("the ledger is away")
        if self.keeper.fence(account) is None:
            raise LedgerError("the account is not this exporter's")
        await self.reading.wait()
        self.said.append(f"gain {account}")
        return BOOKS

    def drop(self, account: str) -> None:
        self.said.append(f"drop {account}")

    async def flush(self, account: str | None = None) -> bool:
        self.said.append(f"flush {account}")
        return not self.refuses

    async def follow(self, accounts: frozenset[str]) -> None:
        await self.slow.wait()
        if self.refuses and accounts:
            raise LedgerError("the ledger is away")
        self.said.append(f"follow {' '.join(sorted(accounts))}".strip())


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    bench = Bench(database)
    async with running(bench):
        yield bench


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    parts = (bench.keeper.run(), bench.sharing.run(), bench.sharing.watch(bench.keeper))
    loops = [asyncio.create_task(part) for part in parts]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


def usurp(database: Database, account: str) -> None:
    row = database.rows[account]
    row.owner, row.epoch, row.beat = "other/15000/00", row.epoch + 1, 0


def lose_all(database: Database) -> None:
    for account in database.rows:
        usurp(database, account)


def free_all(database: Database) -> None:
    for row in database.rows.values():
        row.owner = None


async def test_what_is_gained_is_read_before_it_is_followed(bench: Bench) -> None:
    await bench.run(4.0)

    for account in ("blue", "green"):
        order = [bench.said.index(said) for said in (f"gain {account}", f"begin {account}")]
        assert order == sorted(order)
        assert order[-1] < bench.said.index("follow blue green")
    assert bench.said.count("begun") == 2
    assert bench.sharing.followed == {"blue", "green"}


async def test_what_is_lost_is_forgotten_at_once_and_then_followed_no_more(bench: Bench, database: Database) -> None:
    await bench.run(4.0)
    bench.said.clear()

    usurp(database, "blue")
    await bench.run(2.0)

    assert bench.said == ["drop blue", "close streams of blue", "follow green"]


async def test_what_is_lost_and_gained_again_begins_anew(bench: Bench, database: Database) -> None:
    await bench.run(4.0)
    bench.said.clear()

    usurp(database, "blue")
    await bench.run(1.0)
    database.rows["blue"].owner = None
    await bench.run(2.0)

    wanted = ["drop blue", "follow green", "gain blue", "begun", "begin blue", "follow blue green"]
    assert [said for said in bench.said if said in wanted] == wanted


async def test_what_is_lost_while_another_is_read_is_no_fault(bench: Bench, database: Database) -> None:
    await bench.run(4.0)
    bench.slow.clear()
    lose_all(database)
    await bench.run(2.0)
    free_all(database)
    await bench.run(2.0)  # both are gained at a time when neither can be begun with
    bench.reading.clear()
    bench.slow.set()
    await bench.run(1.0)

    with capture_logs() as logs:
        lose_all(database)
        await bench.run(2.0)
        bench.reading.set()
        await bench.run(2.0)
    assert "sharing_failing" not in [line["event"] for line in logs]

    free_all(database)
    await bench.run(2.0)
    assert bench.sharing.followed == {"blue", "green"}


async def test_nothing_is_there_to_be_shown_before_it_was_read(bench: Bench, database: Database) -> None:
    bench.refuses = True
    await bench.run(4.0)
    assert bench.keeper.owns("blue")
    assert not bench.sharing.has("blue")
    bench.refuses = False
    await bench.run(2 * RETRY_SECONDS)
    assert bench.sharing.has("blue")

    bench.refuses = True
    usurp(database, "blue")
    await bench.run(1.0)
    assert not bench.sharing.has("blue")
    database.rows["blue"].owner = None
    await bench.run(2.0)
    assert bench.keeper.owns("blue")
    assert not bench.sharing.has("blue"), "what was read before is of an earlier ownership"


async def test_what_is_left_comes_to_its_end_first(bench: Bench, database: Database) -> None:
    await bench.run(4.0)
    bench.said.clear()
    bench.busy.clear()

    draining = asyncio.create_task(bench.keeper.drain(deadline=10.0))
    await bench.run(2.0)
    assert sorted(bench.said) == ["finish blue", "finish green"]
    assert database.rows["blue"].owner is not None

    bench.busy.set()
    await bench.run(2.0)
    assert await draining
    assert bench.said.index("flush blue") < bench.said.index("drop blue")
    assert bench.said[-1] == "follow"
    assert all(row.owner is None for row in database.rows.values())


async def test_what_cannot_be_made_durable_is_let_go_when_the_lease_ends(bench: Bench, database: Database) -> None:
    await bench.run(4.0)
    bench.said.clear()
    bench.refuses = True
    draining = asyncio.create_task(bench.keeper.drain(deadline=2 * LEASE))

    await bench.run(LEASE + 2.0)

    assert await draining
    assert bench.said.count("flush blue") > 2
    assert bench.said.count("drop blue") == 1
    assert all(row.owner is None for row in database.rows.values())


async def test_a_ledger_that_is_away_is_asked_again_and_told_of_once(bench: Bench) -> None:
    bench.refuses = True
    with capture_logs() as logs:
        await bench.run(4.0 + 2 * RETRY_SECONDS)
    assert bench.sharing.followed == frozenset()
    assert [line["event"] for line in logs].count("sharing_failing") == 1

    bench.refuses = False
    await bench.run(2 * RETRY_SECONDS)
    assert bench.sharing.followed == {"blue", "green"}


async def test_streams_end_before_the_lease_does(bench: Bench, database: Database) -> None:
    await bench.run(4.0)
    bench.said.clear()
    database.is_down = True

    while bench.keeper.time_left("blue") > STREAM_MARGIN + 0.5:
        await bench.run(0.25)
    assert bench.said == []
    await bench.run(0.75)

    assert "close streams of blue" in bench.said
    assert bench.keeper.owns("blue")


async def test_what_is_left_waits_for_no_account_that_is_being_read(bench: Bench, database: Database) -> None:
    bench.slow.clear()
    await bench.run(4.0)

    draining = asyncio.create_task(bench.keeper.drain(deadline=10.0))
    await bench.run(2.0)

    assert draining.done()
    assert draining.result()
    assert all(row.owner is None for row in database.rows.values())


async def test_streams_end_with_the_lease_though_another_account_is_being_read(
    bench: Bench, database: Database
) -> None:
    await bench.run(4.0)
    bench.slow.clear()
    usurp(database, "green")  # to forget it takes long, too
    await bench.run(1.0)
    bench.said.clear()
    database.is_down = True

    while bench.keeper.time_left("blue") > 0.25:
        await bench.run(0.25)

    assert "close streams of blue" in bench.said


async def test_an_account_that_cannot_be_read_holds_up_no_other(bench: Bench) -> None:
    bench.damaged = {"blue"}
    await bench.run(4.0 + 4 * RETRY_SECONDS)
    assert bench.sharing.followed == {"green"}

    bench.damaged = set()
    await bench.run(2 * RETRY_SECONDS)
    assert bench.sharing.followed == {"blue", "green"}
