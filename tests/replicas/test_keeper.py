"""The state machine and its threads: real time, a store in memory that can be made to hang."""

import asyncio
import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from random import Random

import structlog
from structlog.testing import capture_logs

from exporter.clock import SystemClock
from exporter.replicas.keeper import Keeper
from exporter.replicas.lease import LeaseError, Standing
from exporter.replicas.replica import Replica
from tests.replicas.model_store import Database, ModelStore

DEADLINE = 30.0


class Follower:
    """Lets go of what is being left at once."""

    keeper: Keeper

    def __init__(self) -> None:
        self.has = asyncio.Event()

    def gained(self, account: str) -> None:
        self.has.set()

    def leaving(self, account: str) -> None:
        asyncio.get_running_loop().call_soon(self.keeper.let_go, account)

    def lost(self, account: str) -> None:
        pass


class HangingStore(ModelStore):
    """It does not answer until it is interrupted."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.hangs = threading.Event()
        self.is_asked = threading.Event()
        self.interrupted = threading.Event()

    def look(self, accounts: Collection[str]) -> Standing:
        if self.hangs.is_set():
            self.is_asked.set()
            self.interrupted.wait(DEADLINE)
            raise LeaseError("hung up")
        return super().look(accounts)

    def interrupt(self) -> None:
        self.hangs.clear()
        self.interrupted.set()


@asynccontextmanager
async def keeping(name: str, store: ModelStore, *, patience: float = DEADLINE) -> AsyncIterator[Follower]:
    follower = Follower()
    replica = Replica(name, url="", accounts=("blue",), random=Random(name), lease=DEADLINE)
    replica.subscribe(follower)
    keeper = follower.keeper = Keeper(
        replica, store, patience=patience, clock=SystemClock(), log=structlog.get_logger()
    )
    running = asyncio.create_task(keeper.run())
    try:
        yield follower
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until_owned(follower: Follower) -> Keeper:
    async with asyncio.timeout(DEADLINE):
        await follower.has.wait()
    assert follower.keeper.owns("blue")
    return follower.keeper


async def test_what_one_leaves_the_other_has_soon() -> None:
    database = Database()
    async with keeping("one", ModelStore(database)) as first:
        one = await until_owned(first)
        async with keeping("other", ModelStore(database)) as other:
            assert one.may_send("blue", 1.0)
            assert 0 < one.time_left("blue") <= DEADLINE
            assert not one.may_show("blue", 10.0)

            assert await one.drain(deadline=DEADLINE)

            assert not one.owns("blue")
            assert one.fence("blue") is None
            assert one.time_left("blue") == 0.0
            await until_owned(other)


async def test_a_drain_ends_though_the_store_does_not_answer() -> None:
    database = Database()
    async with keeping("one", ModelStore(database)) as follower:
        one = await until_owned(follower)
        database.is_down = True

        assert not await one.drain(deadline=0.2)


async def test_a_question_that_hangs_is_called_off_and_asked_again() -> None:
    store = HangingStore(Database())
    store.hangs.set()
    with capture_logs() as logs:
        async with keeping("one", store, patience=0.1) as follower:
            await until_owned(follower)

    assert store.interrupted.is_set()
    assert [line["event"] for line in logs] == ["leases_failing", "leases_recovered"]


async def test_who_is_stopped_leaves_no_question_behind() -> None:
    """The connection is closed next, which waits for whoever uses it."""
    store = HangingStore(Database())
    store.hangs.set()
    async with keeping("one", store):
        assert await asyncio.to_thread(store.is_asked.wait, DEADLINE)
        assert not store.interrupted.is_set()

    assert store.interrupted.is_set()


async def test_a_name_that_two_have_is_told_once() -> None:
    class Shared(ModelStore):
        """Another process of the same name renews at each look."""

        looks = 0
        has_looked = threading.Event()

        def look(self, accounts: Collection[str]) -> Standing:
            self.looks += 1
            if self.looks == 4:
                self.has_looked.set()
            self.renew("one/15000/another", "", {})
            return super().look(accounts)

    store = Shared(Database())
    with capture_logs() as logs:
        async with keeping("one", store) as follower:
            await until_owned(follower)
            assert await asyncio.to_thread(store.has_looked.wait, DEADLINE)

    assert [line["replica"] for line in logs if line["event"] == "replica_id_used_twice"] == ["one"]


async def test_whatever_a_driver_raises_the_loop_goes_on() -> None:
    class Broken(ModelStore):
        def enrol(self, accounts: Collection[str]) -> None:
            self.enrol = super().enrol  # type: ignore[method-assign]
            raise RuntimeError("of a kind that nobody foresaw")

    with capture_logs() as logs:
        async with keeping("one", Broken(Database())) as follower:
            await until_owned(follower)

    assert logs[0]["error"] == "unexpected RuntimeError: of a kind that nobody foresaw"
