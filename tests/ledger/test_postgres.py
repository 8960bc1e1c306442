"""The ledger on a real PostgreSQL server: who may write, what is lost on the way, and every text of Python."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import psycopg
import pytest

from exporter.accounting.series import Increments, Series, labels_of
from exporter.ledger.ledger import Batch, LedgerError
from exporter.ledger.opening import database_at
from exporter.ledger.postgres import PostgresServer, Timeouts
from exporter.ledger.store import StoredLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from tests.ledger.places import OnServer, opened
from tests.ledger.test_store import FINISHED, REQUESTS, T0, batch, begun, commit, ended, recall, seen, totals
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import PORT, Postgres, running_postgres
from tests.support.processes import PROJECT
from tests.support.swallowing_proxy import SwallowingProxy

pytestmark = pytest.mark.usefixtures("postgres")


# ---- one process alone ---------------------------------------------------------------------------------------------


def test_a_second_exporter_is_refused_while_the_first_says_something(ledger: StoredLedger, place: OnServer) -> None:
    second = StoredLedger(database_at(place.url), lease=60.0, sleep=lambda _seconds: ledger.renew())

    with pytest.raises(LedgerError, match="another exporter holds it and is at work"):
        second.open()
    assert commit(ledger, ended(begun())) == {FINISHED: 1.0}, "and the first goes on"


def test_what_was_given_up_is_taken_at_once(ledger: StoredLedger, place: OnServer) -> None:
    commit(ledger, ended(begun()))
    ledger.close()
    waits: list[float] = []
    second = StoredLedger(database_at(place.url), waiting=waits.append)
    second.open()

    assert (totals(second), waits) == ({FINISHED: 1.0}, [])
    second.close()


def test_whoever_says_nothing_for_the_time_of_a_lease_has_lost_it(ledger: StoredLedger, place: OnServer) -> None:
    commit(ledger, ended(begun("t1")))
    now, waits = count(), list[float]()
    second = StoredLedger(
        database_at(place.url),
        lease=15.0,
        monotonic=lambda: float(next(now)),
        sleep=lambda _: None,
        waiting=waits.append,
    )
    second.open()

    assert waits == [15.0]
    assert commit(second, ended(begun("t2"))) == {FINISHED: 1.0}
    for write in (
        lambda: commit(ledger, ended(begun("t3"))),
        lambda: ledger.register([Registration("g", TaskRef("a", "t4"), T0)], [], now=T0),
        lambda: ledger.prune(gone=(), kept=(), now=T0),
        ledger.renew,
    ):
        with pytest.raises(LedgerError, match=r"of another process.* Nothing is written any more"):
            write()
    ledger.close()
    assert totals(second) == {FINISHED: 2.0}
    second.renew()
    second.close()


def test_of_two_that_wait_for_the_same_one_gets_it(ledger: StoredLedger, place: OnServer) -> None:
    first = opened(place)

    def take_it_before(_seconds: float) -> None:
        if first.database.is_open:
            first.close()
            opened(place).database.close()

    second = StoredLedger(database_at(place.url), lease=60.0, sleep=take_it_before)
    with pytest.raises(LedgerError, match="another exporter holds it"):
        second.open()


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_whole_batches(place: OnServer) -> None:
    code = f"""
import os
from exporter.ledger.ledger import Batch
from exporter.ledger.opening import ledger_at
from tests.ledger.test_store import begun, ended
ledger = ledger_at({place.url!r}, alone=True)
ledger.open()
for number in range(1, 100):
    print(number, flush=True)
    ledger.commit(Batch(number, [ended(begun(f"t{{number}}-{{i}}")) for i in range(10)]), now=0.0)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE) as dying:
        assert dying.stdout is not None
        for _ in range(7):
            dying.stdout.readline()
        dying.send_signal(signal.SIGKILL)

    ledger = opened(place)
    committed = ledger.books().batch
    assert committed >= 6
    assert totals(ledger) == {FINISHED: 10.0 * committed}
    assert place.rows("SELECT count(*) FROM outcomes") == [(10 * committed,)]
    ledger.close()


# ---- lost on the way -----------------------------------------------------------------------------------------------


def test_ten_swallowed_answers_in_twenty_commits_add_nothing_twice(postgres: Postgres, place: OnServer) -> None:
    chances = count()
    proxy = SwallowingProxy(
        postgres.folder / f".s.PGSQL.{PORT}", swallows=lambda: is_armed.is_set() and next(chances) % 2 == 0
    )
    is_armed = threading.Event()
    ledger = StoredLedger(PostgresServer(f"postgresql://exporter@127.0.0.1:{proxy.port}/{place.database}"))
    ledger.open()
    repeats = 0
    for number in range(1, 21):
        one = Batch(number, [ended(begun(f"t{number}"))], Increments({REQUESTS: 1.0}))
        is_armed.set()
        while True:
            try:
                repeats += ledger.commit(one, now=T0).is_repeat
            except LedgerError as error:
                assert "closed the connection" in str(error)  # noqa: PT017 - each is looked at
            else:
                break
            finally:
                is_armed.clear()
    books = ledger.books()
    ledger.close()
    proxy.close()

    assert (proxy.swallowed, repeats) == (10, 10)
    assert (books.totals, books.meters, books.batch) == ({FINISHED: 20.0}, {REQUESTS: 20.0}, 20)


def end_sessions(place: OnServer) -> None:
    """End all of a database, as its administrator may."""
    place.server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{place.database}'")


def test_it_goes_on_with_another_connection_where_its_session_was_ended(ledger: StoredLedger, place: OnServer) -> None:
    commit(ledger, ended(begun("t1")))
    once = batch(ledger, ended(begun("t2")))
    end_sessions(place)

    with pytest.raises(LedgerError, match="another connection is made"):
        ledger.commit(once, now=T0)
    assert ledger.commit(once, now=T0).increments == {FINISHED: 1.0}
    assert totals(ledger) == {FINISHED: 2.0}


@pytest.mark.slow
def test_a_server_that_crashes_and_comes_back_has_all_that_was_told_durable() -> None:
    with running_postgres(options=()) as server:
        place = OnServer(server, server.create_database())
        ledger = opened(place)
        commit(ledger, ended(begun("t1")))
        once = batch(ledger, ended(begun("t2")))
        server.stop(immediately=True)
        for _ in range(2):
            with pytest.raises(LedgerError, match=r"another connection is made|listens at this socket"):
                ledger.commit(once, now=T0)
        server.start()

        assert ledger.commit(once, now=T0).increments == {FINISHED: 1.0}
        assert totals(ledger) == {FINISHED: 2.0}
        ledger.close()


def test_a_server_that_takes_no_writes_is_left_for_one_that_does(ledger: StoredLedger, place: OnServer) -> None:
    once = batch(ledger, ended(begun()))
    with ledger.database.reading():
        pass
    place.server.run(f"ALTER DATABASE {place.database} SET default_transaction_read_only = on")
    end_sessions(place)

    for _ in range(2):
        with pytest.raises(LedgerError, match=r"takes no writes|another connection is made"):
            ledger.commit(once, now=T0)
    place.server.run(f"ALTER DATABASE {place.database} RESET default_transaction_read_only")
    assert ledger.commit(once, now=T0).increments == {FINISHED: 1.0}


def test_a_session_that_holds_a_lock_is_waited_for_so_long(place: OnServer) -> None:
    ledger = StoredLedger(PostgresServer(place.url, timeouts=Timeouts(lock=0.1)))
    ledger.open()
    with psycopg.connect(place.url) as other:
        other.execute("SELECT FROM leases FOR UPDATE")
        with pytest.raises(LedgerError, match="another session holds a lock"):
            commit(ledger, ended(begun()))
    assert commit(ledger, ended(begun())) == {FINISHED: 1.0}
    ledger.close()


def test_a_server_that_hangs_is_given_up_and_another_connection_made(place: OnServer) -> None:
    """Its kernel answers all the same: nothing that TCP knows of is wrong."""
    ledger = StoredLedger(PostgresServer(place.url, timeouts=Timeouts(silence=0.5)))
    ledger.open()
    commit(ledger, ended(begun("t1")))
    with ledger.database.reading() as tx:
        hung = int(tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
    os.kill(hung, signal.SIGSTOP)
    try:
        with pytest.raises(LedgerError, match="ledger postgresql:"):
            commit(ledger, ended(begun("t2")))
        assert commit(ledger, ended(begun("t2"))) == {FINISHED: 1.0}
    finally:
        os.kill(hung, signal.SIGCONT)
    assert totals(ledger) == {FINISHED: 2.0}
    ledger.close()


def test_commits_are_durable_even_where_the_server_would_not_wait(ledger: StoredLedger) -> None:
    """As these tests' own does not."""
    with ledger.database.writing() as tx:
        assert tx.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        assert tx.exec_driver_sql("SHOW lock_timeout").scalar() == "5s"
    with ledger.database.reading() as tx:
        assert tx.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"


# ---- PgBouncer -----------------------------------------------------------------------------------------------------


@pytest.fixture
def bouncer(postgres: Postgres) -> Iterator[str]:
    """The socket's folder of a PgBouncer that hands a session on after each transaction."""
    with running_pgbouncer(postgres.folder) as folder:
        yield folder


def test_it_goes_on_behind_pgbouncer_in_transaction_mode(bouncer: str, place: OnServer) -> None:
    url = f"postgresql://exporter@/{place.database}?host={bouncer}"
    ledger = StoredLedger(database_at(url))
    ledger.open()
    commit(ledger, seen(begun("t1")), ended(begun("t2")))
    end_sessions(place)
    once = Batch(2, [ended(begun("t3"))])
    until_committed(ledger, once)
    assert totals(ledger)[FINISHED] == 2.0
    assert set(recall(ledger, TaskRef("a", "t1"))) == {TaskRef("a", "t1")}
    ledger.close()
    again = opened(place)
    assert commit(again, ended(begun("t1"))) == {FINISHED: 1.0}
    again.close()


def until_committed(ledger: StoredLedger, batch: Batch) -> None:
    """As the writer does; each session that PgBouncer keeps may have ended."""
    for _ in range(5):
        with suppress(LedgerError):
            ledger.commit(batch, now=T0)
            return
    raise AssertionError("no session is left that takes a batch")


# ---- names ---------------------------------------------------------------------------------------------------------

HOSTILE = [
    "a\x00b",
    "a\x01b",
    "\ud800",
    "\udfff",
    "\x1b0000",
    "\x1b",
    "a\\u0000b",
    "%s",
    "?",
    "'; --",
    '"',
    "\U0001f600",
    "{}",
]


def test_every_text_of_python_is_kept_as_it_is(ledger: StoredLedger) -> None:
    """PostgreSQL refuses U+0000 and halves of surrogate pairs: one of them would keep a whole batch out for ever."""
    commit(ledger, *(seen(begun(name, f"out {name}")) for name in HOSTILE))
    series = [Series("f", labels_of(account="a", model=name)) for name in HOSTILE]
    commit(ledger, *(ended(begun(name)) for name in HOSTILE[::2]), meters=dict.fromkeys(series, 1.0))
    ledger.register([Registration("g", TaskRef("a", name), T0, name) for name in HOSTILE], [], now=T0)

    known = recall(ledger, *(TaskRef("a", None, f"out {name}") for name in HOSTILE))
    assert [state.ref.task_id for state in known.values()] == HOSTILE
    assert [state.is_terminal for state in known.values()] == [at % 2 == 0 for at in range(len(HOSTILE))]
    assert ledger.books().meters == dict.fromkeys(series, 1.0)
    assert [each.model for each in ledger.registrations()] == HOSTILE
    assert commit(ledger, *(ended(begun(name)) for name in HOSTILE[::2])) == {}


def test_the_longest_names_that_are_taken_find_room_in_an_index(ledger: StoredLedger) -> None:
    longest = "".join(chr(0x1F300 + at) for at in range(200))
    user = {f"label_{at}": chr(0x4E00 + at * 7) * 6 for at in range(20)}
    series = Series("bytespike_tasks_finished_total", labels_of(account="a" * 100, group="g" * 100, **user))
    commit(ledger, ended(begun(longest, longest)), meters={series: 1.0})
    ledger.register([Registration("g" * 100, TaskRef("a" * 100, longest, longest), T0)], [], now=T0)

    assert commit(ledger, ended(begun(longest))) == {}


# ---- a database that cannot be one ---------------------------------------------------------------------------------


def test_an_encoding_that_not_every_name_can_be_written_in_is_refused(postgres: Postgres) -> None:
    place = OnServer(postgres, postgres.create_database(encoding="LATIN1"))
    with pytest.raises(LedgerError, match=r"its encoding is LATIN1.*ENCODING 'UTF8'"):
        opened(place)


def test_a_database_that_is_not_there_is_a_clear_error(postgres: Postgres) -> None:
    with pytest.raises(LedgerError, match=r'"ledger_nowhere" does not exist: create it'):
        opened(OnServer(postgres, "ledger_nowhere"))


def test_a_user_who_may_not_make_tables_is_told_so(postgres: Postgres) -> None:
    name = postgres.create_database()
    postgres.run("DROP ROLE IF EXISTS stranger")
    postgres.run("CREATE ROLE stranger LOGIN")
    with pytest.raises(LedgerError, match="allowed to create tables"):
        StoredLedger(database_at(postgres.url(name, user="stranger"))).open()


def test_a_damaged_sum_is_named_with_what_to_do(ledger: StoredLedger, place: OnServer) -> None:
    place.run("INSERT INTO totals VALUES ('', 'f', '{', '', 1)")
    with pytest.raises(
        LedgerError, match=r"table totals is damaged: .* psql .*DELETE FROM totals WHERE ctid = "
    ) as told:
        ledger.books()
    place.run(str(told.value).split('"')[-2])
    assert totals(ledger) == {}


def test_a_driver_that_is_not_installed_is_named() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from exporter.ledger.opening import ledger_at\n"
        "from exporter.ledger.ledger import LedgerError\n"
        "try: ledger_at('postgresql://u@h/d').open()\n"
        "except LedgerError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT, capture_output=True, text=True).stdout
    assert said.startswith("ledger postgresql://u@h/d: PostgreSQL needs a driver")
    assert "bytespike-exporter[postgres]" in said
