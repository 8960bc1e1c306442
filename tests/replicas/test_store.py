"""What a store of leases answers: PostgreSQL, that behind a pooler, and the model that the protocol is tried on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection

from exporter.ledger.fence import admits
from exporter.ledger.ledger import UsurpedError
from exporter.ledger.postgres_statements import PostgresStatements
from exporter.replicas.lease import Fence, Lease, LeaseError, Member, Tenure
from exporter.replicas.postgres import PostgresLeases
from exporter.replicas.store import LeaseStore
from tests.replicas.model_store import Database, ModelStore, Passage
from tests.replicas.server import Server

ME, OTHER = "one/15000/00", "other/15000/00"
LIMIT = 30.0
"""Seconds for a statement: nothing here should ever need them."""

_numbers = count()


@pytest.fixture(params=["model", "direct", "pooled"])
def store(request: pytest.FixtureRequest) -> Iterator[LeaseStore]:
    if request.param == "model":
        yield ModelStore(Database())
        return
    found: Server = request.getfixturevalue("server")
    with closing(PostgresLeases(found.engine(pooled=request.param == "pooled"), limit=LIMIT)) as leases:
        yield leases


@pytest.fixture
def account(store: LeaseStore) -> str:
    """One that nobody owns."""
    name = f"account-{next(_numbers)}"
    store.enrol([name])
    return name


def seen(store: LeaseStore, account: str) -> Lease:
    return store.look([account]).leases[account]


def owned(store: LeaseStore, account: str, owner: str = ME) -> int:
    """Let it be owned; return the epoch."""
    tenure = store.take(owner, seen(store, account))
    assert tenure is not None
    return tenure.epoch


def test_an_account_that_is_new_is_nobodys(store: LeaseStore, account: str) -> None:
    assert seen(store, account) == Lease(account, None, epoch=0, beat=0)


def test_it_is_enrolled_once(store: LeaseStore, account: str) -> None:
    owned(store, account)

    store.enrol([account])

    assert seen(store, account) == Lease(account, ME, epoch=1, beat=0)


def test_only_accounts_that_are_asked_for_are_seen(store: LeaseStore, account: str) -> None:
    assert set(store.look([account, "never enrolled"]).leases) == {account}


def test_what_is_free_is_taken(store: LeaseStore, account: str) -> None:
    assert store.take(ME, seen(store, account)) == Tenure(epoch=1, batch=0)


@pytest.mark.parametrize("changed", [{"owner": OTHER}, {"owner": None}, {"epoch": 0}, {"epoch": 2}, {"beat": 1}])
def test_what_is_not_as_it_was_seen_is_not_taken(store: LeaseStore, account: str, changed: dict[str, Any]) -> None:
    owned(store, account)

    assert store.take(OTHER, replace(seen(store, account), **changed)) is None
    assert seen(store, account) == Lease(account, ME, epoch=1, beat=0)


def test_what_was_renewed_since_is_not_taken(store: LeaseStore, account: str) -> None:
    epoch = owned(store, account)
    before = seen(store, account)

    assert store.renew(ME, "http://one", {account: epoch}) == {account}

    assert store.take(OTHER, before) is None
    assert store.take(OTHER, seen(store, account)) == Tenure(epoch=2, batch=0)


def test_what_somebody_else_has_is_not_renewed(store: LeaseStore, account: str) -> None:
    epoch = owned(store, account)
    owned(store, account, OTHER)

    assert store.renew(ME, "", {account: epoch}) == frozenset()
    assert seen(store, account) == Lease(account, OTHER, epoch=2, beat=0)


def test_an_earlier_tenure_is_not_renewed(store: LeaseStore, account: str) -> None:
    epoch = owned(store, account)
    owned(store, account)

    assert store.renew(ME, "", {account: epoch}) == frozenset()


def test_what_is_released_is_nobodys(store: LeaseStore, account: str) -> None:
    store.release(ME, account, owned(store, account))

    assert seen(store, account) == Lease(account, None, epoch=1, beat=0)


def test_what_is_released_late_stays_with_whoever_has_it_now(store: LeaseStore, account: str) -> None:
    epoch = owned(store, account)
    owned(store, account)

    store.release(ME, account, epoch)
    store.release(OTHER, account, epoch + 1)

    assert seen(store, account).owner == ME


def test_a_member_lives_while_its_beat_goes_on(store: LeaseStore) -> None:
    me = f"member-{next(_numbers)}/15000/00"
    store.renew(me, "http://one", {})
    first = store.look([]).members[me]

    store.renew(me, "http://elsewhere", {})

    assert first == Member(me, "http://one", beat=1)
    assert store.look([]).members[me].beat == 2
    store.forget([first])  # it has given a beat since
    assert me in store.look([]).members
    store.leave(me)
    assert me not in store.look([]).members


def test_a_member_that_gave_no_beat_is_forgotten(store: LeaseStore) -> None:
    me = f"member-{next(_numbers)}/15000/00"
    store.renew(me, "", {})

    store.forget([store.look([]).members[me]])

    assert me not in store.look([]).members


# ---- PostgreSQL alone ------------------------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["direct", "pooled"])
def leases(server: Server, request: pytest.FixtureRequest) -> Iterator[PostgresLeases]:
    with closing(PostgresLeases(server.engine(pooled=request.param), limit=LIMIT)) as found:
        yield found


def passed(connection: Connection, fence: Fence) -> Passage:
    """What becomes of a commit at the ledger's fence."""
    try:
        return Passage.OPEN if admits(connection, PostgresStatements(), fence) else Passage.REPEAT
    except UsurpedError:
        return Passage.LOST


def mine(leases: PostgresLeases) -> Fence:
    """The fence of an account that this process owns."""
    account = f"account-{next(_numbers)}"
    leases.enrol([account])
    return Fence(account, ME, owned(leases, account), batch=0)


def test_a_fence_lets_each_number_pass_once(server: Server, leases: PostgresLeases) -> None:
    fence = mine(leases)
    with server.engine().connect() as connection:
        passages = []
        for batch in (0, 0, 1, 0, 3):
            with connection.begin():
                passages.append(passed(connection, replace(fence, batch=batch)))

    assert passages == [Passage.OPEN, Passage.REPEAT, Passage.OPEN, Passage.LOST, Passage.LOST]


def test_what_was_rolled_back_passes_again(server: Server, leases: PostgresLeases) -> None:
    fence = mine(leases)
    with server.engine().connect() as connection:
        connection.begin()
        assert passed(connection, fence) is Passage.OPEN
        connection.rollback()
        with connection.begin():
            assert passed(connection, fence) is Passage.OPEN


@pytest.mark.parametrize("changed", [{"owner": OTHER}, {"epoch": 0}, {"epoch": 2}])
def test_a_fence_is_closed_to_others(server: Server, leases: PostgresLeases, changed: dict[str, Any]) -> None:
    fence = mine(leases)
    with server.engine().connect() as connection, connection.begin():
        assert passed(connection, replace(fence, **changed)) is Passage.LOST


def test_a_former_owner_is_refused(server: Server, leases: PostgresLeases) -> None:
    fence = mine(leases)
    owned(leases, fence.account, OTHER)

    with server.engine().connect() as connection, connection.begin():
        assert passed(connection, fence) is Passage.LOST


def test_what_is_being_written_under_is_not_taken_nor_waited_for(server: Server, leases: PostgresLeases) -> None:
    fence = mine(leases)
    with server.engine().connect() as connection:
        connection.begin()
        assert passed(connection, fence) is Passage.OPEN
        assert leases.take(OTHER, seen(leases, fence.account)) is None
        connection.commit()

    assert leases.take(OTHER, seen(leases, fence.account)) == Tenure(epoch=2, batch=1)


def test_a_lock_is_not_waited_for_without_end(server: Server, leases: PostgresLeases) -> None:
    fence = mine(leases)
    with closing(PostgresLeases(server.engine(), limit=0.2)) as hasty, server.engine().connect() as connection:
        connection.begin()
        assert passed(connection, fence) is Passage.OPEN
        with pytest.raises(LeaseError, match="timeout"):
            hasty.renew(ME, "", {fence.account: fence.epoch})
        connection.rollback()
        assert hasty.renew(ME, "", {fence.account: fence.epoch}) == {fence.account}


def test_a_connection_that_was_killed_is_made_anew(server: Server, leases: PostgresLeases) -> None:
    account = mine(leases).account
    with server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    with suppress(LeaseError):  # a pooler may have another at hand already
        leases.look([account])
    assert seen(leases, account).owner == ME


def test_a_server_that_takes_no_writes_is_left(server: Server, leases: PostgresLeases) -> None:
    """As after a failover: a session that reads goes on, and the next one leads to the server that writes."""
    account = mine(leases).account
    with server.connect() as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            assert "read-only" in _until_raised(lambda: leases.enrol([account]))
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")

    _until_done(lambda: leases.enrol([account]))
    assert seen(leases, account).owner == ME


def test_who_waits_for_a_server_can_be_called_off(server: Server) -> None:
    with closing(PostgresLeases(server.engine(), limit=LIMIT)) as leases, server.engine().connect() as connection:
        fence = mine(leases)
        connection.begin()
        passed(connection, fence)
        calls_off = threading.Timer(0.3, leases.interrupt)
        calls_off.start()
        with pytest.raises(LeaseError):
            leases.renew(ME, "", {fence.account: fence.epoch})  # it would wait for half a minute
        calls_off.join()
        connection.rollback()
        assert leases.renew(ME, "", {fence.account: fence.epoch}) == {fence.account}


def test_nothing_of_a_statement_or_a_secret_stands_in_an_error(server: Server) -> None:
    url = server.engine().url.set(password="hunter2")
    engine = server.engine()
    broken = type(engine)(engine.pool, engine.dialect, url)
    with server.connect() as connection:
        connection.execute("ALTER TABLE leases RENAME TO hidden")
        try:
            with closing(PostgresLeases(broken, limit=LIMIT)) as leases, pytest.raises(LeaseError) as raised:
                leases.look(["any"])
        finally:
            connection.execute("ALTER TABLE hidden RENAME TO leases")

    assert str(raised.value) == 'leases: relation "leases" does not exist'


def _until_raised(call: Callable[[], None]) -> str:
    by = time.monotonic() + 30
    while time.monotonic() < by:
        try:
            call()
        except LeaseError as error:
            return str(error)
        time.sleep(0.02)
    raise AssertionError("it went on")


def _until_done(call: Callable[[], None]) -> None:
    by = time.monotonic() + 30
    while True:
        try:
            return call()
        except LeaseError:
            assert time.monotonic() < by
            time.sleep(0.02)
