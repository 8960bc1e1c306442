"""The statements that every answer and every start goes through, as text for SQLite's own driver.

Plain tuples in, plain tuples out: a row through the toolkit would cost more than through the database. Each text is one
of few, so that the driver has it prepared. What is rare is written with the toolkit, in ``store.py``.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from sqlalchemy import Connection

from exporter.accounting.series import Increments
from exporter.ledger.deciding import Decision, Fact
from exporter.ledger.names import Names, names_of
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

FACT_COLUMNS = (*REF_COLUMNS, "is_followed", "running_at")

_REWRITTEN = [f"{column} = ?" for column in OPEN_COLUMNS if column not in REF_COLUMNS]

AT_ONCE = 500
"""So many parameters a statement has at most; databases limit them."""

TOGETHER = 25
"""So many rows are inserted by one statement: to begin one costs as much as half a row."""


def facts_of(tx: Connection, named: Names) -> list[Fact]:
    """What the ledger says of these tasks, as far as a commit must know it.

    Where a row has a name more than its task came under, what is said under that is of the task, too.
    """
    facts = list(_facts(tx, named))
    lent = names_of(fact.ref for fact in facts if not named.have_all(fact.ref)).beyond(named)
    return list(dict.fromkeys([*facts, *_facts(tx, lent)])) if lent.by_kind else facts


def _facts(tx: Connection, named: Names) -> Iterator[Fact]:
    for row in named_rows(tx, "outcomes", REF_COLUMNS, named):
        yield Fact(TaskRef(*row[1:]), has_ended=True)
    for number, account, own, other, is_followed, running_at in named_rows(tx, "open_tasks", FACT_COLUMNS, named):
        yield Fact(TaskRef(account, own, other), is_followed=bool(is_followed), running_at=running_at, row=number)


def named_rows(tx: Connection, table: str, columns: Sequence[str], named: Names) -> list[Row]:
    """The rows of these tasks, by either id, each once; the one that was written first comes first."""
    asking = f"SELECT {table}.rowid, {', '.join(columns)} FROM json_each(?) AS asked CROSS JOIN {table}"  # noqa: S608
    found: dict[int, Row] = {}
    for (account, kind), names in named.by_kind.items():
        text = f"{asking} WHERE account = ? AND {kind} = asked.value"  # one look at the index for each of them
        for row in fetched(tx, text, _array(names), account):
            found[row[0]] = row
    return [found[number] for number in sorted(found)]


def write(tx: Connection, decision: Decision) -> None:
    """Write the rows that were decided."""
    if decision.stale:
        stale = "DELETE FROM open_tasks WHERE id IN (SELECT value FROM json_each(?))"
        tx.exec_driver_sql(stale, (_array(decision.stale),))
    if decision.rewritten:
        rewritten = [(*row[len(REF_COLUMNS) :], number) for number, row in decision.rewritten]
        tx.exec_driver_sql(f"UPDATE open_tasks SET {', '.join(_REWRITTEN)} WHERE id = ?", rewritten)  # noqa: S608
    insert(tx, "open_tasks", OPEN_COLUMNS, decision.open)
    insert(tx, "outcomes", OUTCOME_COLUMNS, decision.outcomes)


def insert(tx: Connection, table: str, columns: Sequence[str], rows: Sequence[Row], *, otherwise: str = "") -> None:
    """Insert rows; ``otherwise`` is what to do where one is there already."""
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - names of this package alone
    together = len(rows) - len(rows) % TOGETHER
    for size, some in ((TOGETHER, rows[:together]), (1, rows[together:])):
        if some:
            places = ", ".join([f"({_places(len(columns))})"] * size)
            values = [tuple(chain.from_iterable(some[at : at + size])) for at in range(0, len(some), size)]
            tx.exec_driver_sql(f"{head}{places} {otherwise}".rstrip(), values)


def grow(tx: Connection, table: str, increments: Increments, texts: LabelTexts) -> None:
    """Add to the sums of a table, each series once, however many events there were."""
    if increments:
        adding = "ON CONFLICT (family, labels, part) DO UPDATE SET value = value + excluded.value"
        insert(tx, table, SERIES_COLUMNS, series_rows(increments, texts), otherwise=adding)


def fetched(tx: Connection, text: str, *values: object) -> list[Row]:
    """Every row that a statement finds."""
    return list(tx.exec_driver_sql(text, values).cursor.fetchall())


def chunked(values: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    return (values[at : at + size] for at in range(0, len(values), size))


def _array(values: Iterable[str | int]) -> str:
    """As one value, however many there are: a parameter for each costs as much as to look for it."""
    return json.dumps(list(values))


def _places(number: int) -> str:
    return ", ".join("?" * number)
