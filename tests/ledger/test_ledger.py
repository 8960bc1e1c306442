"""The ledger on a real SQLite file."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event

from exporter.accounting.series import Exemplar, Increments, Series, labels_of
from exporter.ledger.entry import Count, Entry
from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.ledger.tables import metadata
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState, begin, observe

T0 = 1_780_000_000.0
LABELS = labels_of(account="a", group="g")
FINISHED = Series("bytespike_tasks_finished_total", LABELS)
QUEUED = Series("bytespike_tasks_queue_duration_seconds", LABELS, "le:5")
REQUESTS = Series("bytespike_api_requests_total", labels_of(account="a", endpoint="tasks/query"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = opened(path)
    yield ledger
    ledger.close()


def opened(path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{path}")
    ledger.open()
    return ledger


def begun(task_id: str | None = "t", out: str | None = None) -> TaskState:
    return begin(Item(TaskRef("a", task_id, out), TaskLabels("a", "g")), now=T0)


def running(state: TaskState) -> TaskState:
    answer = Observation(Status.RUNNING, estimated_seconds=35, estimated_credits=1.5)
    return observe(state, answer, now=T0 + 2).state


def completed(state: TaskState) -> TaskState:
    return observe(state, Observation(Status.COMPLETED, credits_used=1.47), now=T0 + 9).state


def one(series: Series, by: float = 1.0) -> Count:
    return Count(Increments({series: by}), {series: Exemplar(by, "t", T0)})


def ended(state: TaskState) -> Entry:
    return Entry(completed(state), ended=one(FINISHED))


def started(state: TaskState) -> Entry:
    return Entry(running(state), started=one(QUEUED))


def commit(ledger: Ledger, *entries: Entry, meters: dict[Series, float] | None = None) -> dict[Series, float]:
    return dict(ledger.commit(entries, Increments(meters or {}), now=T0 + 10).increments)


def test_an_outcome_and_its_totals_are_one(ledger: Ledger) -> None:
    assert commit(ledger, ended(begun())) == {FINISHED: 1.0}
    assert ledger.totals() == {FINISHED: 1.0}


def test_an_outcome_counts_once_however_often_it_is_committed(ledger: Ledger, path: Path) -> None:
    commit(ledger, ended(begun()))
    assert commit(ledger, ended(begun()), ended(begun())) == {}

    ledger.close()
    again = opened(path)
    assert commit(again, ended(begun())) == {}
    assert again.totals() == {FINISHED: 1.0}
    again.close()


def test_exemplars_are_shown_only_for_what_was_counted(ledger: Ledger) -> None:
    first = ledger.commit([ended(begun())], Increments(), now=T0)
    second = ledger.commit([ended(begun())], Increments(), now=T0)

    assert (list(first.exemplars), list(second.exemplars)) == ([FINISHED], [])


@pytest.mark.parametrize("names", [("t", "x"), (None, "x")])
def test_a_task_ended_under_both_names_counts_under_neither_again(
    ledger: Ledger, names: tuple[str | None, str]
) -> None:
    commit(ledger, ended(begun("t", "x")))

    assert commit(ledger, ended(begun(*names))) == {}


def test_two_task_ids_under_one_out_task_id_both_count(ledger: Ledger) -> None:
    commit(ledger, ended(begun("t1", "x")), ended(begun("t2", "x")))
    commit(ledger, ended(begun("t3", "x")))

    assert ledger.totals() == {FINISHED: 3.0}


def test_the_same_task_of_two_accounts_is_two(ledger: Ledger) -> None:
    other = begin(Item(TaskRef("b", "t"), TaskLabels("b", "g")), now=T0)
    commit(ledger, ended(begun()), ended(other))

    assert ledger.totals() == {FINISHED: 2.0}


def test_a_queue_time_counts_once_across_names_and_commits(ledger: Ledger) -> None:
    commit(ledger, started(begun("t", "x")), started(begun("t")))
    assert commit(ledger, started(begun(None, "x"))) == {}
    assert commit(ledger, Entry(completed(running(begun("t"))), started=one(QUEUED), ended=one(FINISHED))) == {
        FINISHED: 1.0
    }
    assert commit(ledger, started(begun("t"))) == {}
    assert ledger.totals() == {QUEUED: 1.0, FINISHED: 1.0}


def test_meters_are_added_in_the_same_transaction(ledger: Ledger) -> None:
    assert commit(ledger, ended(begun()), meters={REQUESTS: 3.0}) == {REQUESTS: 3.0, FINISHED: 1.0}
    commit(ledger, meters={REQUESTS: 2.0})

    assert ledger.totals() == {REQUESTS: 5.0, FINISHED: 1.0}


def test_an_open_task_is_recalled_as_it_was(ledger: Ledger, path: Path) -> None:
    state = running(begun("t", "x"))
    commit(ledger, Entry(begun("t")), Entry(state))
    ledger.close()
    again = opened(path)

    recalled = again.recall([TaskRef("a", "t"), TaskRef("a", None, "x"), TaskRef("a", "other"), TaskRef("b", "t")])

    assert recalled == {TaskRef("a", "t"): state, TaskRef("a", None, "x"): state}
    again.close()


def test_an_ended_task_is_recalled_as_ended(ledger: Ledger) -> None:
    state = completed(running(begun("t", "x")))
    commit(ledger, Entry(running(begun("t"))), Entry(state, ended=one(FINISHED)))

    recalled = ledger.recall([TaskRef("a", None, "x")])[TaskRef("a", None, "x")]

    assert (recalled.status, recalled.duration, recalled.credits_used) == (Status.COMPLETED, 9.0, 1.47)
    assert (recalled.ref, recalled.eta_seconds, recalled.finished_at) == (state.ref, 35, T0 + 9)


def test_two_rows_of_one_task_are_recalled_as_one(ledger: Ledger) -> None:
    commit(ledger, Entry(begun(None, "x")))
    commit(ledger, Entry(running(begun("t"))))

    recalled = ledger.recall([TaskRef("a", "t", "x")])[TaskRef("a", "t", "x")]

    assert (recalled.ref, recalled.status) == (TaskRef("a", "t", "x"), Status.RUNNING)


def test_many_tasks_are_recalled_in_chunks(ledger: Ledger) -> None:
    states = [begun(f"t{i}", f"x{i}") for i in range(1203)]
    commit(ledger, *map(Entry, states))

    assert len(ledger.recall([state.ref for state in states])) == 1203


def test_a_restart_reads_no_history_through(ledger: Ledger) -> None:
    """Its time must not grow with what has ended: every look-up goes by an index."""
    states = [completed(begun(f"t{i}", f"x{i}")) for i in range(50)]
    commit(ledger, *(Entry(state, ended=one(FINISHED)) for state in states), Entry(begun("open")))
    statements: list[tuple[str, object]] = []
    engine = ledger._file.connection.engine
    event.listen(engine, "before_cursor_execute", lambda *seen: statements.append((seen[2], seen[3])))

    ledger.totals()
    ledger.recall([state.ref for state in states])

    asked = [(statement, bound) for statement, bound in statements if statement.startswith("SELECT")]
    with ledger._transaction() as tx:
        raw = tx.connection.dbapi_connection
        assert raw is not None
        plans = [row[3] for statement, bound in asked for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", bound)]
    assert len(asked) >= 5
    assert [plan for plan in plans if plan.startswith("SCAN")] == ["SCAN totals"]


def test_pruning_deletes_old_rows_and_uncounts_nothing(ledger: Ledger) -> None:
    commit(ledger, ended(begun("old")), Entry(begun("open")))

    assert ledger.prune(before=T0 + 9, followed=()) == 0
    assert ledger.prune(before=T0 + 11, followed=()) == 2
    assert ledger.totals() == {FINISHED: 1.0}
    assert ledger.recall([TaskRef("a", "old"), TaskRef("a", "open")]) == {}


def test_a_followed_task_keeps_its_row_so_that_it_cannot_count_again(ledger: Ledger) -> None:
    commit(ledger, ended(begun("t", "x")))

    assert ledger.prune(before=T0 + 99, followed={("a", "out_task_id", "x")}) == 0
    assert commit(ledger, ended(begun("t"))) == {}


def test_the_migrations_make_the_tables_that_the_code_speaks_of(ledger: Ledger, path: Path) -> None:
    ledger.close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_commit_is_on_the_disk_before_it_is_believed(ledger: Ledger, path: Path) -> None:
    with ledger._transaction() as tx:
        pragmas = [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

    assert pragmas == ["wal", 2], "2 is FULL"


# ---- faults --------------------------------------------------------------------------------------------------------


def test_a_second_exporter_is_refused(ledger: Ledger, path: Path) -> None:
    with pytest.raises(LedgerError, match=r"another exporter holds it .*ledger\.db\.lock"):
        opened(path)


def test_the_lock_goes_with_the_process(path: Path) -> None:
    code = f"from tests.ledger.test_ledger import *; opened(Path({str(path)!r})); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])

    opened(path).close()


def test_a_ledger_locked_by_another_program_fails_and_recovers(ledger: Ledger, path: Path) -> None:
    commit(ledger, ended(begun("t1")))
    intruder = sqlite3.connect(path, isolation_level=None)
    intruder.execute("BEGIN EXCLUSIVE")

    for _ in range(2):
        with pytest.raises(LedgerError, match="another process holds it"):
            commit(ledger, ended(begun("t2")))
    intruder.execute("ROLLBACK")
    intruder.close()

    assert commit(ledger, ended(begun("t2"))) == {FINISHED: 1.0}
    assert ledger.totals() == {FINISHED: 2.0}


def test_a_full_disk_fails_and_recovers(ledger: Ledger) -> None:
    with ledger._transaction() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count = 1")
    entries = [ended(begun(f"t{i}")) for i in range(2000)]

    with pytest.raises(LedgerError, match="no room left"):
        commit(ledger, *entries)
    assert ledger.totals() == {}, "a transaction that failed left nothing behind"

    with ledger._transaction() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert commit(ledger, *entries) == {FINISHED: 2000.0}


@pytest.mark.parametrize("content", [b"this is no database" * 300, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_a_clear_error(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(LedgerError, match=r"ledger\.db: .*it is damaged"):
        opened(path)
    assert path.read_bytes() == content, "what may be rescued was left alone"


def test_a_ledger_of_a_newer_version_is_refused(ledger: Ledger, path: Path) -> None:
    ledger.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(LedgerError, match="another version of this exporter"):
        opened(path)


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(LedgerError, match=r"file/ledger\.db"):
        opened(tmp_path / "file" / "ledger.db")


def test_a_read_only_ledger_is_a_clear_error(ledger: Ledger, path: Path) -> None:
    with ledger._transaction() as tx:
        tx.exec_driver_sql("SELECT 1")
    ledger._file.connection.exec_driver_sql("PRAGMA query_only = 1")
    ledger._file.connection.rollback()

    with pytest.raises(LedgerError, match="it is read-only"):
        commit(ledger, ended(begun()))


def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    ledger.close()

    with pytest.raises(LedgerError, match="is not open"):
        ledger.totals()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_a_clear_error(path: Path) -> None:
    opened(path).close()
    path.chmod(0o400)

    with pytest.raises(LedgerError, match=r"read-only|cannot be opened"):
        opened(path)
