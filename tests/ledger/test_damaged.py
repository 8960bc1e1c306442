"""Rows of a SQLite file that say nonsense, for files get damaged, and are edited: named, with what to do."""

import sqlite3
from pathlib import Path

import pytest

from exporter.ledger.ledger import Entry, LedgerError
from exporter.ledger.store import StoredLedger
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from tests.ledger.test_store import T0, begun, commit, ended, recall, totals


@pytest.mark.parametrize("table", ["totals", "meters"])
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("'f', '{', '', 1", "labels is '{', not a JSON object of texts"),
        ("'f', '[]', '', 1", "labels is"),
        ("""'f', '{"a": 1}', '', 1""", "labels is"),
        ("'f', '{}', '', 'abc'", "value is 'abc', not a finite number"),
        ("'f', '{}', '', 'NaN'", "value is 'NaN'"),
        ("'f', '{}', '', 9e999", "value is inf"),
        ("'f', '{}', '', -9e999", "value is -inf"),
        ("'f', '{}', '', -1", "value is -1.0, and nothing that is added up is negative"),
        ("'f', '{}', x'00', 1", "part is b"),
        ("x'ff', '{}', '', 1", "family is b"),
    ],
)
def test_a_damaged_sum_is_named_with_what_to_do(
    ledger: StoredLedger, path: Path, table: str, values: str, reason: str
) -> None:
    spoil(path, f"INSERT INTO {table} (family, labels, part, value, account) VALUES ({values}, '')")

    with pytest.raises(LedgerError, match=rf"row 1 of table {table} is damaged: .*: {reason}") as caught:
        ledger.books()
    mend_as_told(path, caught.value)
    assert totals(ledger) == {}


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE outcomes SET status = 'strange'", "outcomes is damaged: status is 'strange', which is none"),
        (
            "UPDATE outcomes SET status = 'running'",
            "outcomes is damaged: status 'running' is that of a task that has not",
        ),
        ("UPDATE outcomes SET finished_at = 'soon'", "outcomes is damaged: finished_at is 'soon', not a finite number"),
        ("UPDATE outcomes SET duration = 9e999", "outcomes is damaged: duration is inf"),
        ("UPDATE outcomes SET submission = 7", "outcomes is damaged: 7 is not a valid Submission"),
        ("UPDATE outcomes SET error_code = x'00'", "outcomes is damaged: error_code is b"),
        (
            "UPDATE open_tasks SET status = 'failed'",
            "open_tasks is damaged: status 'failed' is that of a task that has ended",
        ),
        ("UPDATE open_tasks SET submitted_at = 'abc'", "open_tasks is damaged: submitted_at is 'abc'"),
        ("UPDATE open_tasks SET running_at = x'01'", "open_tasks is damaged: running_at is b"),
    ],
)
def test_a_damaged_row_of_a_task_is_named_when_it_is_recalled(
    ledger: StoredLedger, path: Path, statement: str, reason: str
) -> None:
    commit(ledger, ended(begun("ended")), Entry(begun("open")))
    spoil(path, statement)
    refs = TaskRef("a", "ended"), TaskRef("a", "open")

    with pytest.raises(LedgerError, match=reason) as caught:
        recall(ledger, *refs)
    mend_as_told(path, caught.value)
    assert len(recall(ledger, *refs)) == 1


@pytest.mark.parametrize(
    ("column", "value"), [("labels", "'{'"), ("registered_at", "'abc'"), ("task_id", "NULL"), ("submitted_at", "9e999")]
)
def test_a_damaged_registration_is_named(ledger: StoredLedger, path: Path, column: str, value: str) -> None:
    ledger.register([Registration("g", TaskRef("a", "t"), T0)], [], now=T0)
    spoil(path, f"UPDATE registrations SET {column} = {value}")

    with pytest.raises(LedgerError, match="row 1 of table registrations is damaged") as caught:
        ledger.registrations()
    mend_as_told(path, caught.value)
    assert ledger.registrations() == []


def test_a_damaged_number_of_a_batch_is_named(ledger: StoredLedger, path: Path) -> None:
    spoil(path, "UPDATE leases SET batch = 'abc'")
    with pytest.raises(LedgerError, match="row 1 of table leases is damaged: batch is 'abc'"):
        ledger.books()


def spoil(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as other:
        assert other.execute(statement).rowcount == 1
    other.close()


def mend_as_told(path: Path, error: LedgerError) -> None:
    """Run the statement that the error gives."""
    statement = str(error).split("'")[-2]
    assert f"sqlite3 '{path}' '{statement}'" in str(error)
    spoil(path, statement)
