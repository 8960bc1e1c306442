"""The file of a ledger: one process alone writes it, and only while it is the very file that was opened."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from exporter.ledger.ledger import Entry, LedgerError
from exporter.ledger.store import SqliteLedger, StoredLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from tests.ledger.places import heard
from tests.ledger.test_store import FINISHED, REQUESTS, T0, begun, commit, completed, ended, one, recall, totals

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("path")


def opened(path: Path) -> SqliteLedger:
    ledger = SqliteLedger(f"sqlite:///{path}")
    ledger.open()
    return ledger


# ---- one process alone ---------------------------------------------------------------------------------------------


def open_elsewhere(path: Path) -> str:
    """Try to open a ledger in another process; what it is told."""
    code = f"""
from exporter.ledger.ledger import Entry, LedgerError
from exporter.ledger.store import SqliteLedger
try:
    SqliteLedger("sqlite:///{path}").open()
except LedgerError as error:
    print(error)
else:
    print("opened")
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def by_its_path(path: Path) -> Path:
    return path


def by_a_symbolic_link(path: Path) -> Path:
    link = path.with_name("link.db")
    link.symlink_to(path)
    return link


def by_a_link_to_its_directory(path: Path) -> Path:
    (link := path.parent.with_name("link")).symlink_to(path.parent)
    return link / path.name


def by_a_hard_link(path: Path) -> Path:
    link = path.with_name("hard.db")
    link.hardlink_to(path)
    return link


def without_the_lock_file(path: Path) -> Path:
    path.with_name("ledger.db.lock").unlink()
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "other", [by_its_path, by_a_symbolic_link, by_a_link_to_its_directory, by_a_hard_link, without_the_lock_file]
)
def test_a_second_exporter_is_refused_by_whatever_path(
    ledger: StoredLedger, path: Path, other: Callable[[Path], Path]
) -> None:
    elsewhere = other(path)
    assert "another exporter holds it" in open_elsewhere(elsewhere)
    assert commit(ledger, ended(begun())) == {FINISHED: 1.0}, "and the first goes on"
    ledger.close()
    assert open_elsewhere(elsewhere) == "opened"


def test_a_ledger_behind_a_link_to_its_directory_opens(path: Path) -> None:
    path.parent.mkdir()
    opened(by_a_link_to_its_directory(path)).close()


def test_an_exporter_of_version_0_1_0_holds_it_by_a_file_beside_it(path: Path) -> None:
    path.parent.mkdir()
    link = by_a_symbolic_link(path)
    for lock in (path, link):
        held = FileLock(f"{lock}.lock")
        with held, pytest.raises(LedgerError, match=rf"another exporter holds it .*{lock.name}\.lock"):
            opened(link)
    opened(link).close()


def test_the_lock_goes_with_the_process(path: Path) -> None:
    opening = f"from exporter.ledger.store import SqliteLedger; SqliteLedger('sqlite:///{path}').open()"
    code = f"{opening}; import os; os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 9

    opened(path).close()


# ---- the very file that was opened ---------------------------------------------------------------------------------


def remove_everything(path: Path) -> None:
    for each in path.parent.glob("ledger.db*"):
        each.unlink()


def move_it_away(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def put_a_copy_in_its_place(path: Path) -> None:
    shutil.copy(path, copy := path.with_name("copy.db"))
    copy.rename(path)


def turn_the_link(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))
    shutil.copytree(path.parent.with_name("elsewhere"), path.parent)


@pytest.mark.parametrize("lose", [remove_everything, move_it_away, put_a_copy_in_its_place, turn_the_link])
def test_nothing_is_written_once_the_file_is_not_the_one_that_was_opened(
    ledger: StoredLedger, path: Path, lose: Callable[[Path], None]
) -> None:
    commit(ledger, ended(begun("t1")))
    lose(path)
    registration = Registration("g", TaskRef("a", "t2"), T0)

    for write in (
        lambda: commit(ledger, ended(begun("t2"))),
        lambda: ledger.register([registration], [], now=T0),
        lambda: ledger.unregister([registration], now=T0),
        lambda: ledger.prune(gone=(), kept=(), now=T0),
    ):
        with pytest.raises(LedgerError, match=r"ledger\.db: the file was removed or replaced .* restart this exporter"):
            write()
    assert totals(ledger) == {FINISHED: 1.0}
    ledger.close()

    again = opened(path)
    assert again.registrations() == []
    assert totals(again).get(FINISHED, 0.0) <= 1.0
    assert commit(again, ended(begun("t2"))) == {FINISHED: 1.0}
    again.close()


def test_it_goes_on_when_the_very_file_is_put_back(ledger: StoredLedger, path: Path) -> None:
    move_it_away(path)
    with pytest.raises(LedgerError, match="removed or replaced"):
        commit(ledger, ended(begun()))
    path.with_name("moved.db").rename(path)

    assert commit(ledger, ended(begun())) == {FINISHED: 1.0}


def test_the_log_beside_it_belongs_to_it(ledger: StoredLedger, path: Path) -> None:
    """What the log holds is lost with the process, unless that is ended gently."""
    commit(ledger, ended(begun("t1")))
    path.with_name("ledger.db-wal").unlink()

    with pytest.raises(LedgerError, match=r"ledger\.db-wal, the log beside it, was removed .* End it by SIGTERM"):
        commit(ledger, ended(begun("t2")))
    ledger.close()

    again = opened(path)
    assert totals(again) == {FINISHED: 1.0}
    again.close()


def test_the_log_of_another_file_is_left_alone(ledger: StoredLedger, path: Path) -> None:
    """Whoever put another ledger in its place may be using it by now."""
    commit(ledger, ended(begun("t1")))
    for each in list(path.parent.glob("ledger.db*")):
        each.rename(each.with_name(f"old-{each.name}"))
    other = opened(path)
    commit(other, ended(begun("t2")), meters={REQUESTS: 1.0})
    ledger.close()

    commit(other, ended(begun("t3")))
    other.close()
    again = opened(path)
    assert totals(again) == {FINISHED: 2.0}
    again.close()


def test_a_file_that_goes_while_it_is_written_is_not_believed(ledger: StoredLedger, path: Path) -> None:
    def write() -> None:
        with ledger.database.writing() as tx:
            tx.exec_driver_sql("UPDATE leases SET batch = 5")
            remove_everything(path)

    with pytest.raises(LedgerError, match="the file was removed"):
        write()


# ---- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_ledger_locked_by_another_program_fails_and_recovers(ledger: StoredLedger, path: Path) -> None:
    commit(ledger, ended(begun("t1")))
    intruder = sqlite3.connect(path, isolation_level=None)
    intruder.execute("BEGIN EXCLUSIVE")

    for _ in range(2):
        with pytest.raises(LedgerError, match="another process holds it"):
            commit(ledger, ended(begun("t2")))
    intruder.execute("ROLLBACK")
    intruder.close()

    assert commit(ledger, ended(begun("t2"))) == {FINISHED: 1.0}
    assert totals(ledger) == {FINISHED: 2.0}


def test_a_full_disk_fails_and_recovers(ledger: StoredLedger) -> None:
    with ledger.database.reading() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count = 1")
    entries = [ended(begun(f"t{i}")) for i in range(2000)]

    with pytest.raises(LedgerError, match="no room left"):
        commit(ledger, *entries)
    assert totals(ledger) == {}, "a transaction that failed left nothing behind"

    with ledger.database.reading() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert commit(ledger, *entries) == {FINISHED: 2000.0}


@pytest.mark.parametrize("content", [b"this is no database" * 300, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_a_clear_error(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(LedgerError, match=r"ledger\.db: .*it is damaged"):
        opened(path)
    assert path.read_bytes() == content, "what may be rescued was left alone"


def test_a_ledger_of_a_newer_version_is_refused(ledger: StoredLedger, path: Path) -> None:
    ledger.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE formats SET min_reader = '9999'")
    connection.close()

    with pytest.raises(LedgerError, match="another version of this exporter"):
        opened(path)


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(LedgerError, match=r"file/ledger\.db"):
        opened(tmp_path / "file" / "ledger.db")


def test_a_read_only_ledger_is_a_clear_error(ledger: StoredLedger, path: Path) -> None:
    with ledger.database.reading() as tx:
        tx.exec_driver_sql("PRAGMA query_only = 1")

    with pytest.raises(LedgerError, match="it is read-only"):
        commit(ledger, ended(begun()))


def test_a_closed_ledger_says_so(ledger: StoredLedger) -> None:
    ledger.close()

    with pytest.raises(LedgerError, match="is not open"):
        totals(ledger)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_a_clear_error(path: Path) -> None:
    opened(path).close()
    path.chmod(0o400)

    with pytest.raises(LedgerError, match=r"read-only|cannot be opened"):
        opened(path)


# ---- what is read and written ---------------------------------------------------------------------------------------


def test_a_restart_reads_no_history_through(ledger: StoredLedger, path: Path) -> None:
    """Its time must not grow with what has ended: every look-up goes by an index."""
    states = [completed(begun(f"t{i}", f"x{i}")) for i in range(50)]
    commit(ledger, *(Entry(state, ended=one(FINISHED)) for state in states), Entry(begun("open")))
    statements = heard(ledger)

    ledger.books()
    recall(ledger, *(state.ref for state in states))
    ledger.aged(before=T0 + 5, except_accounts=(), limit=500)

    asked = [statement for statement in statements if statement.startswith("SELECT")]
    with ledger.database.reading() as tx:
        plans = [
            row[3] for each in asked for row in ledger.database.statements.fetched(tx, f"EXPLAIN QUERY PLAN {each}")
        ]
    assert len(asked) >= 8
    scanned = [plan for plan in plans if plan.startswith("SCAN") and not plan.startswith("SCAN asked VIRTUAL")]
    assert scanned == ["SCAN totals", "SCAN meters"]
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]


def test_half_of_a_surrogate_pair_names_a_task_that_nothing_is_known_of(ledger: SqliteLedger, path: Path) -> None:
    """JSON can carry it, so that somebody may ask."""
    assert recall(ledger, TaskRef("a", "\ud800"), TaskRef("a", None, "\udfff")) == {}


def test_a_commit_is_on_the_disk_before_it_is_believed(ledger: SqliteLedger, path: Path) -> None:
    with ledger.database.reading() as tx:
        pragmas = [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

    assert pragmas == ["wal", 2], "2 is FULL"
