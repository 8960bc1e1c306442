"""A ledger that several processes share: fences in the store itself, and who may have it alone; on PostgreSQL."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count

import pytest

from exporter.accounting.series import Increments, Series, labels_of
from exporter.ledger.copying import copy
from exporter.ledger.ledger import HINTED, Aged, Batch, LedgerError, UsurpedError
from exporter.ledger.opening import database_at, ledger_at
from exporter.ledger.postgres import PostgresServer
from exporter.ledger.store import DELETED_SECONDS, StoredLedger
from exporter.replicas.lease import Fence
from exporter.replicas.postgres import PostgresLeases
from exporter.tasks.item import Registration
from tests.ledger.places import OnServer
from tests.ledger.test_store import FINISHED, REQUESTS, T0, begun, ended
from tests.replicas.server import engine_at
from tests.support.postgres import PORT, Postgres
from tests.support.swallowing_proxy import SwallowingProxy

ME, OTHER = "one/1000/00", "other/1000/00"
B = Series("bytespike_api_requests_total", labels_of(account="b"))


@pytest.fixture
def shared(postgres: Postgres, place: OnServer) -> Iterator[StoredLedger]:
    ledger = ledger_at(place.url)
    ledger.open()
    yield ledger
    ledger.close()


@pytest.fixture
def leases(place: OnServer) -> Iterator[PostgresLeases]:
    with closing(PostgresLeases(engine_at(place.url), limit=30.0)) as found:
        yield found


def taken(leases: PostgresLeases, account: str, owner: str = ME) -> Fence:
    """Its fence, whoever had it before."""
    leases.enrol([account])
    tenure = leases.take(owner, leases.look([account]).leases[account])
    assert tenure is not None
    return Fence(account, owner, tenure.epoch, tenure.batch)


def behind(fence: Fence, *tasks: str) -> Batch:
    return Batch(fence.batch + 1, [ended(begun(task)) for task in tasks], Increments({REQUESTS: 1.0}), fence=fence)


def test_a_commit_whose_lease_was_taken_writes_nothing(shared: StoredLedger, leases: PostgresLeases) -> None:
    before = taken(leases, "a")
    shared.commit(behind(before, "t1"), now=T0)
    after = taken(leases, "a", OTHER)

    for late in (before, replace(before, batch=1)):
        with pytest.raises(UsurpedError, match="account a is another exporter's by now") as refused:
            shared.commit(behind(late, "t2"), now=T0)
        assert refused.value.fence == late
    assert after.batch == 1, "the numbers go on"
    assert shared.commit(behind(after, "t1", "t2"), now=T0).increments == {FINISHED: 1.0}
    assert shared.commit(behind(after, "t1", "t2"), now=T0).is_repeat
    books = shared.books("a")
    assert (books.totals, books.meters, books.batch) == ({FINISHED: 2.0}, {REQUESTS: 2.0}, 2)


def test_a_batch_without_a_fence_is_refused(shared: StoredLedger) -> None:
    with pytest.raises(UsurpedError):
        shared.commit(Batch(1, [ended(begun())]), now=T0)
    assert shared.books().totals == {}


def test_the_books_of_one_account_are_its_own(shared: StoredLedger, leases: PostgresLeases) -> None:
    shared.commit(behind(taken(leases, "a"), "t"), now=T0)
    shared.commit(Batch(1, meters=Increments({B: 2.0}), fence=taken(leases, "b")), now=T0)

    assert [shared.books(account).meters for account in ("a", "b")] == [{REQUESTS: 1.0}, {B: 2.0}]
    assert shared.books().meters == {REQUESTS: 1.0, B: 2.0}


def test_answers_that_are_swallowed_add_nothing_twice(
    postgres: Postgres, place: OnServer, shared: StoredLedger, leases: PostgresLeases
) -> None:
    chances, is_armed = count(), threading.Event()
    proxy = SwallowingProxy(
        postgres.folder / f".s.PGSQL.{PORT}", swallows=lambda: is_armed.is_set() and next(chances) % 2 == 0
    )
    far = StoredLedger(PostgresServer(f"postgresql://exporter@127.0.0.1:{proxy.port}/{place.database}"), is_shared=True)
    far.open()
    first = taken(leases, "a")
    repeats = 0
    for number in range(6):
        once = behind(replace(first, batch=number), f"t{number}")
        for is_armed_now in (True, False):
            (is_armed.set if is_armed_now else is_armed.clear)()
            try:
                repeats += far.commit(once, now=T0).is_repeat
                break
            except UsurpedError:
                raise
            except LedgerError:
                continue
    far.close()
    proxy.close()

    assert (proxy.swallowed, repeats) == (3, 3)
    books = shared.books("a")
    assert (books.totals, books.meters, books.batch) == ({FINISHED: 6.0}, {REQUESTS: 6.0}, 6)


def test_renewals_and_prunings_of_the_same_accounts_never_wait_for_each_other_in_vain(
    shared: StoredLedger, leases: PostgresLeases
) -> None:
    """Whatever order they are named in: leases are locked in one."""
    fences = [taken(leases, account) for account in ("b", "a", "c")]
    stop = threading.Event()

    def renew() -> None:
        while not stop.is_set():
            leases.renew(ME, "", {fence.account: fence.epoch for fence in reversed(fences)})

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        for _ in range(100):
            shared.prune(gone=(), kept=(), now=T0, fences=fences)
    finally:
        stop.set()
        renewing.join(30)
    with pytest.raises(UsurpedError):
        shared.prune(gone=[Aged("outcomes", 1, T0, begun().ref)], kept=(), now=T0, fences=[replace(fences[0], epoch=9)])


def test_a_hint_is_heard_by_whoever_looks_and_is_one_row_however_often_it_is_given(shared: StoredLedger) -> None:
    ref = begun("t").ref
    shared.register([Registration("g", ref, T0)], [], now=T0)
    for at in (T0, T0 + 1, T0 + 2):
        shared.hint([ref], now=at)

    hint = Registration(HINTED, ref, T0)
    assert shared.registrations_since(ref.account, 0) == ([Registration("g", ref, T0)], [hint])
    assert shared.registrations_since(ref.account, 3) == ([], [hint])
    assert shared.registration_versions() == {ref.account: 4}
    assert shared.registrations() == [Registration("g", ref, T0)], "a hint is no registration"


def test_hints_are_gone_after_a_day(shared: StoredLedger, leases: PostgresLeases) -> None:
    ref = begun("t").ref
    shared.hint([ref], now=T0)
    shared.prune(gone=(), kept=(), now=T0 + DELETED_SECONDS + 1, fences=[taken(leases, ref.account)])
    assert shared.registrations_since(ref.account, 0) == ([], [])


def test_what_another_follows_is_read_and_not_noted(
    shared: StoredLedger, leases: PostgresLeases, place: OnServer
) -> None:
    shared.commit(behind(taken(leases, "a", OTHER), "t"), now=T0)
    place.run("UPDATE outcomes SET is_named = false")
    found = shared.recall([begun("t").ref], now=T0)
    assert [state.is_terminal for state in found.values()] == [True]
    assert place.rows("SELECT is_named FROM outcomes") == [(False,)]


# ---- who has it alone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beats", ["member", "lease"])
def test_nobody_has_it_alone_while_exporters_are_at_work(
    shared: StoredLedger, leases: PostgresLeases, place: OnServer, postgres: Postgres, *, beats: str
) -> None:
    fence = taken(leases, "a")
    leases.renew(ME, "", {})
    held = {"a": fence.epoch} if beats == "lease" else {}

    def give_a_beat(_seconds: float) -> None:
        leases.renew(ME, "", held)

    command = StoredLedger(database_at(place.url), lease=60.0, sleep=give_a_beat)
    with pytest.raises(LedgerError, match="another exporter holds it and is at work"):
        command.open()
    target = OnServer(postgres, postgres.create_database())
    with pytest.raises(LedgerError, match="an exporter holds it"):
        list(copy(target.url, place.url))


def test_what_exporters_left_that_are_dead_is_had_alone_after_a_while(
    shared: StoredLedger, leases: PostgresLeases, place: OnServer
) -> None:
    shared.commit(behind(taken(leases, "a"), "t"), now=T0)
    leases.renew("one/30000/00", "", {})
    waits, now = list[float](), count()
    taken(leases, "b", "one/30000/00")
    command = StoredLedger(
        database_at(place.url), monotonic=lambda: float(next(now)), sleep=lambda _: None, waiting=waits.append
    )
    command.open()

    assert waits == [1.2 * 30.0], "as long as their own leases were"
    assert command.books().totals == {FINISHED: 1.0}
    command.close()


def test_who_shares_it_waits_for_a_command_that_has_it_alone(place: OnServer, shared: StoredLedger) -> None:
    command = StoredLedger(database_at(place.url))
    command.open()
    late = StoredLedger(database_at(place.url), is_shared=True, sleep=lambda _: command.renew())
    with pytest.raises(LedgerError, match="another exporter holds it"):
        late.open()
    late = StoredLedger(database_at(place.url), is_shared=True, sleep=lambda _: command.close())
    late.open()
    late.close()


def test_what_a_command_left_that_was_killed_is_in_nobodys_way_for_long(place: OnServer, shared: StoredLedger) -> None:
    killed = StoredLedger(database_at(place.url))
    killed.open()
    killed.database.close()
    waits, now = list[float](), count()
    late = StoredLedger(
        database_at(place.url),
        is_shared=True,
        monotonic=lambda: float(next(now)),
        sleep=lambda _: None,
        waiting=waits.append,
    )
    for _ in range(2):
        late.open()
        late.close()
    assert waits == [15.0], "once"
