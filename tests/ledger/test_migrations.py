"""How an older ledger gets the tables of this version: all of it or nothing, and everything in it is kept."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from msgspec import structs
from sqlalchemy import create_engine

from exporter.accounting.series import SHOWN, Series, labels_of
from exporter.ledger.ledger import LedgerError
from exporter.ledger.store import StoredLedger
from exporter.ledger.tables import MIGRATIONS, metadata, migrate
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.observation import Status
from tests.ledger.places import Place
from tests.ledger.places import opened as opened_at
from tests.ledger.test_sqlite import opened
from tests.ledger.test_store import (
    FINISHED,
    FOLLOWED,
    REQUESTS,
    T0,
    begun,
    commit,
    ended,
    recall,
    seen,
)

ROOT = Path(__file__).parents[2]

BOOM = Series("bytespike_tasks_failed_total", labels_of(error_code="boom", group="g"))


def make_0_1_0(path: Path) -> None:
    """A ledger as version 0.1.0 had it."""
    path.parent.mkdir()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrate(connection, to="0002")
        for statement in VERSION_0_1_0:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_ledger_of_version_0_1_0_opens_with_everything_in_it(path: Path) -> None:
    make_0_1_0(path)
    shutil.copy(path, f"{path}.copy")

    for each in (path, Path(f"{path}.copy")):
        ledger = opened(each)
        books = ledger.books()
        gap = Series("bytespike_exporter_observation_gap_seconds", labels_of(account="a"), "sum")
        overflowed = Series("bytespike_exporter_label_values_overflowed_total", labels_of(limit="label_values"))
        assert books.totals == {FINISHED: 7.0, gap: 12.5, BOOM: 2.0, structs.replace(BOOM, part=SHOWN): 1.0}
        assert books.meters == {REQUESTS: 40.0, overflowed: 3.0}
        assert books.batch == 0
        ended_, open_, new, strange = (
            TaskRef("a", "done", "x1"),
            TaskRef("a", "going"),
            TaskRef("a", "new"),
            TaskRef("a", "strange"),
        )
        known = recall(ledger, ended_, open_, new, strange)
        assert [known[ref].status for ref in (new, strange)] == [Status.UNOBSERVED, Status.UNKNOWN]
        assert (known[ended_].status, known[ended_].finished_at) == (Status.COMPLETED, T0 + 9)
        assert (known[open_].status, known[open_].running_at) == (Status.RUNNING, T0 + 2)
        assert ledger.registrations() == [Registration("g", TaskRef("a", "done"), T0, "veo", (("team", "x"),))]
        assert commit(ledger, seen(known[strange]), seen(known[new])) == {FOLLOWED: 1.0}, "who was answered is not new"
        assert commit(ledger, ended(begun("done")), ended(begun("new"))) == {FINISHED: 1.0}
        assert [each.looked_at for each in ledger.aged(before=T0 + 10, except_accounts=(), limit=9)] == [T0 + 9, T0 + 3]
        ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("statements", [1, 8, 15, 22, 29, 36, 43, 50])
def test_a_migration_that_is_killed_half_way_begins_anew(path: Path, statements: int) -> None:
    make_0_1_0(path)
    dying = f"""
import os
from itertools import count
from sqlalchemy import Engine, event
from exporter.ledger.ledger import LedgerError
from exporter.ledger.store import SqliteLedger
numbers = count(1)
event.listen(Engine, "after_cursor_execute", lambda *_: os._exit(9) if next(numbers) == {statements} else None)
SqliteLedger("sqlite:///{path}").open()
"""
    died = subprocess.run([sys.executable, "-c", dying], check=False, cwd=ROOT, capture_output=True, text=True)
    assert died.returncode == 9, died.stderr

    ledger = opened(path)
    assert ledger.books().totals[FINISHED] == 7.0
    assert ledger.books().meters[REQUESTS] == 40.0
    assert commit(ledger, ended(begun("done")), ended(begun("going"))) == {FINISHED: 1.0}
    ledger.close()


VERSION_0_1_0 = (
    """INSERT INTO totals VALUES ('bytespike_tasks_finished_total', '{"account":"a","group":"g"}', '', 7)""",
    """INSERT INTO totals VALUES ('bytespike_tasks_failed_total', '{"error_code":"boom","group":"g"}', '', 2)""",
    """INSERT INTO totals VALUES ('bytespike_exporter_observation_gap_seconds', '{"account":"a"}', 'sum', 12.5)""",
    """INSERT INTO totals VALUES
       ('bytespike_api_requests_total', '{"account":"a","endpoint":"tasks/query"}', '', 40)""",
    "INSERT INTO totals VALUES ('bytespike_exporter_label_values_overflowed_total', '{}', '', 3)",
    f"""INSERT INTO outcomes
        (account, task_id, out_task_id, status, first_seen_at, submitted_at, submission, finished_at)
        VALUES ('a', 'done', 'x1', 'completed', {T0}, {T0}, 1, {T0 + 9})""",
    f"""INSERT INTO open_tasks
        (account, task_id, status, first_seen_at, submitted_at, submission, running_at, saved_at)
        VALUES ('a', 'going', 'running', {T0}, {T0}, 0, {T0 + 2}, {T0 + 3})""",
    f"""INSERT INTO open_tasks
        (account, task_id, status, first_seen_at, submitted_at, submission, observed_at, open_at, saved_at)
        VALUES ('a', 'new', 'unknown', {T0}, {T0}, 0, NULL, NULL, {T0 + 20}),
               ('a', 'strange', 'unknown', {T0}, {T0}, 0, {T0 + 2}, {T0 + 2}, {T0 + 20})""",
    f"""INSERT INTO registrations (group_name, account, key, task_id, model, labels, registered_at)
        VALUES ('g', 'a', 'done ', 'done', 'veo', '{{"team": "x"}}', {T0})""",
)


def test_the_migrations_make_the_tables_that_the_code_speaks_of(ledger: StoredLedger, place: Place) -> None:
    with ledger.database.reading() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_sums_belong_to_the_account_that_their_labels_name(path: Path) -> None:
    """A row that is damaged stays so, and stops no migration: whoever reads it is told."""
    make_0_1_0(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO totals VALUES ('bytespike_tasks_f', '{', '', 1)")
    connection.close()
    with pytest.raises(LedgerError, match="row 4 of table totals is damaged"):
        opened(path).books()
    with sqlite3.connect(path) as connection:
        found = set(
            connection.execute(
                "SELECT account, family, part FROM totals UNION SELECT account, family, part FROM meters"
            )
        )
    connection.close()

    assert found >= {
        ("a", FINISHED.family, ""),
        ("a", REQUESTS.family, ""),
        ("", BOOM.family, ""),
        ("", "bytespike_tasks_f", ""),
    }


@pytest.mark.parametrize(("min_reader", "is_taken"), [("0008", True), ("0009", False)])
def test_a_ledger_of_a_newer_version_is_taken_where_that_has_kept_it_fit_for_this_one(
    ledger: StoredLedger, place: Place, min_reader: str, *, is_taken: bool
) -> None:
    commit(ledger, ended(begun()))
    ledger.close()
    place.run("UPDATE alembic_version SET version_num = '0010'")
    place.run(f"UPDATE formats SET min_reader = '{min_reader}'")

    if is_taken:
        again = opened_at(place)
        assert commit(again, ended(begun("t2")), ended(begun())) == {FINISHED: 1.0}
        again.close()
    else:
        with pytest.raises(LedgerError, match="another version of this exporter"):
            opened_at(place)
    assert place.rows("SELECT version_num FROM alembic_version") == [("0010",)]


@pytest.mark.parametrize("version", ["0001", "0002", "0003", "0004", "0005", "0006", "0007"])
def test_a_ledger_of_every_earlier_version_gets_the_indexes_of_a_new_one(
    ledger: StoredLedger, path: Path, tmp_path: Path, version: str
) -> None:
    old = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        migrate(connection, to=version)
    engine.dispose()
    opened(old).close()

    assert indexes(old) == indexes(path)
    assert sum("WHERE out_task_id IS NOT NULL" in (sql or "") for _, sql in indexes(old)) == 2


def indexes(path: Path) -> set[tuple[str, str | None]]:
    with sqlite3.connect(path) as connection:
        found = set(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
    connection.close()
    return found


@pytest.mark.slow
def test_nearly_every_start_lacks_no_migration_and_does_not_load_what_runs_them(path: Path) -> None:
    script = (
        "import sys; from exporter.ledger.store import SqliteLedger;"
        " ledger = SqliteLedger(sys.argv[1]); ledger.open(); ledger.close(); print('alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", script, f"sqlite:///{path}"]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2)]

    assert outputs == ["True\n", "False\n"]


def test_migrations_stand_in_files_that_are_named_by_their_numbers(path: Path) -> None:
    opened(path).close()
    with sqlite3.connect(path) as connection:
        (number,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()

    assert number == max(each.name for each in (MIGRATIONS / "versions").glob("[0-9]*.py"))[: len(number)]
