"""The statements that every answer and every start goes through, as text for SQLite's own driver.

Plain tuples in, plain tuples out: a row through the toolkit would cost more than through the database. Each text is one
of few, so that the driver has it prepared. What is rare is written with the toolkit, in ``store.py``.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import TypeVar

from sqlalchemy import Connection

from exporter.accounting.series import Increments
from exporter.ledger.deciding import Decision, Fact, by_names
from exporter.ledger.rows import (
    OPEN_COLUMNS,
    OUTCOME_COLUMNS,
    REF_COLUMNS,
    SERIES_COLUMNS,
    LabelTexts,
    Row,
    series_rows,
)
from exporter.tasks.identity import TaskRef

T = TypeVar("T")

CHUNKS = (1, 8, 64, 500)
"""So many tasks are looked up by one statement, the last ones filled up; databases limit the parameters of one."""


def facts_of(tx: Connection, refs: Sequence[TaskRef]) -> Iterator[Fact]:
    """What the ledger says of these tasks, as far as a commit must know it."""
    for row in named_rows(tx, "outcomes", REF_COLUMNS, refs):
        yield Fact(TaskRef(*row[1:]), has_ended=True)
    for number, *names, is_followed, running_at in named_rows(
        tx, "open_tasks", (*REF_COLUMNS, "is_followed", "running_at"), refs
    ):
        yield Fact(TaskRef(*names), is_followed=bool(is_followed), running_at=running_at, row=number)


def named_rows(tx: Connection, table: str, columns: Sequence[str], refs: Iterable[TaskRef]) -> list[Row]:
    """The rows of these tasks, by either id, each once."""
    select = f"SELECT rowid, {', '.join(columns)} FROM {table}"  # noqa: S608 - names of this package alone
    found: dict[int, Row] = {}
    for (account, kind), names in by_names(refs).items():
        for chunk in _filled_chunks(sorted(names)):
            text = f"{select} WHERE account = ? AND {kind} IN ({_places(len(chunk))})"
            for row in fetched(tx, text, account, *chunk):
                found[row[0]] = row
    return list(found.values())


def write(tx: Connection, decision: Decision) -> None:
    """Write the rows that were decided."""
    if decision.stale:
        tx.exec_driver_sql("DELETE FROM open_tasks WHERE id = ?", [(row,) for row in sorted(decision.stale)])
    insert(tx, "open_tasks", OPEN_COLUMNS, decision.open)
    insert(tx, "outcomes", OUTCOME_COLUMNS, decision.outcomes)


def insert(tx: Connection, table: str, columns: Sequence[str], rows: Sequence[Row], *, otherwise: str = "") -> None:
    """Insert rows; ``otherwise`` is what to do where one is there already."""
    if rows:
        head = f"INSERT INTO {table} ({', '.join(columns)})"
        tx.exec_driver_sql(f"{head} VALUES ({_places(len(columns))}) {otherwise}".rstrip(), list(rows))


def grow(tx: Connection, table: str, increments: Increments, texts: LabelTexts) -> None:
    """Add to the sums of a table, each series once, however many events there were."""
    if increments:
        adding = "ON CONFLICT (family, labels, part) DO UPDATE SET value = value + excluded.value"
        insert(tx, table, SERIES_COLUMNS, series_rows(increments, texts), otherwise=adding)


def fetched(tx: Connection, text: str, *values: object) -> list[Row]:
    """Every row that a statement finds."""
    return list(tx.exec_driver_sql(text, values).cursor.fetchall())


def chunked(values: Sequence[T], size: int = CHUNKS[-1]) -> Iterator[Sequence[T]]:
    return (values[at : at + size] for at in range(0, len(values), size))


def _filled_chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """All of them in chunks of few sizes: the last one names its last one again."""
    for chunk in chunked(names):
        size = next(size for size in CHUNKS if size >= len(chunk))
        yield [*chunk, *repeat(chunk[-1], size - len(chunk))]


def _places(number: int) -> str:
    return ", ".join("?" * number)
