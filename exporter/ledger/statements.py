"""The statements that every answer and every start goes through, as text for the database's own driver.

Plain tuples in, plain tuples out: a row through the toolkit would cost more than through the database. What differs
between databases is said by ``Statements``; what is rare is written with the toolkit, in ``store.py``.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from sqlalchemy import Connection

from exporter.accounting.series import Increments
from exporter.ledger.deciding import Decision, Fact
from exporter.ledger.names import Names, names_of
from exporter.ledger.rows import (
    OPEN_COLUMNS,
    OUTCOME_COLUMNS,
    REF_COLUMNS,
    SERIES_COLUMNS,
    SERIES_KEY,
    LabelTexts,
    Row,
    RowNumber,
    noted,
    series_rows,
)
from exporter.tasks.identity import TaskRef

FACT_COLUMNS = (*REF_COLUMNS, "is_followed", "running_at")


class Statements(Protocol):
    """How one kind of database is spoken to. Names of tables and columns are this package's own, never from outside."""

    def fetched(self, tx: Connection, text: str, *values: object) -> list[Row]:
        """Every row that a statement finds; ``?`` in it stands for a value."""
        ...

    def changed(self, tx: Connection, text: str, *values: object) -> int:
        """How many rows a statement has written; ``?`` in it stands for a value."""
        ...

    def rows(self, tx: Connection, table: str, columns: Sequence[str], *, order: str = "") -> list[Row]:
        """All rows of a table, each behind its row number."""
        ...

    def rows_of(self, tx: Connection, table: str, columns: Sequence[str], *, account: str) -> list[Row]:
        """All rows of one account, each behind its row number."""
        ...

    def page(self, tx: Connection, table: str, columns: Sequence[str], *, after: int, limit: int) -> list[Row]:
        """The next rows of a table whose rows are numbered, in that order, each behind its number."""
        ...

    def named(
        self, tx: Connection, table: str, columns: Sequence[str], *, account: str, kind: str, names: Collection[str]
    ) -> list[Row]:
        """The rows of the tasks that have these names of one kind, each behind its row number: by an index."""
        ...

    def insert(
        self,
        tx: Connection,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Row],
        *,
        alike: Row = (),
        otherwise: str = "",
    ) -> None:
        """Insert rows in this order; ``otherwise`` is what to do where one is there already.

        The last columns are ``alike``, have these values in each, and are not in the rows.
        """
        ...

    def rewrite(
        self, tx: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[RowNumber, Row]]
    ) -> None:
        """Write these columns of rows anew, each told by its number."""
        ...

    def delete(self, tx: Connection, table: str, numbers: Collection[RowNumber]) -> None:
        """Delete rows, told by their numbers."""
        ...

    def number_on(self, tx: Connection, tables: Iterable[str]) -> None:
        """Let new rows of these tables have numbers that no row has, after rows came with numbers of their own."""


def facts_of(tx: Connection, statements: Statements, named: Names) -> list[Fact]:
    """What the ledger says of these tasks, as far as a commit must know it.

    Where a row has a name more than its task came under, what is said under that is of the task, too.
    """
    facts = list(_facts(tx, statements, named))
    lent = names_of(fact.ref for fact in facts if not named.have_all(fact.ref)).beyond(named)
    return list(dict.fromkeys([*facts, *_facts(tx, statements, lent)])) if lent.by_kind else facts


def _facts(tx: Connection, statements: Statements, named: Names) -> Iterator[Fact]:
    for row in named_rows(tx, statements, "outcomes", REF_COLUMNS, named):
        yield Fact(TaskRef(*row[1:]), has_ended=True)
    for row in named_rows(tx, statements, "open_tasks", FACT_COLUMNS, named):
        number, account, own, other, is_followed, running_at = row
        yield Fact(TaskRef(account, own, other), is_followed=bool(is_followed), running_at=running_at, row=number)


def named_rows(tx: Connection, statements: Statements, table: str, columns: Sequence[str], named: Names) -> list[Row]:
    """The rows of these tasks, by either id, each once; the one that was written first comes first."""
    found: dict[int, Row] = {}
    for (account, kind), names in named.by_kind.items():
        for row in statements.named(tx, table, columns, account=account, kind=kind, names=names):
            found[row[0]] = row
    return [found[number] for number in sorted(found)]


def write(tx: Connection, statements: Statements, decision: Decision, *, now: float) -> None:
    """Write the rows that were decided."""
    alike, beyond_ref = noted(now), len(REF_COLUMNS)
    statements.delete(tx, "open_tasks", decision.stale)
    rewritten = [(number, (*row[beyond_ref:], *alike)) for number, row in decision.rewritten]
    statements.rewrite(tx, "open_tasks", OPEN_COLUMNS[beyond_ref:], rewritten)
    statements.insert(tx, "open_tasks", OPEN_COLUMNS, decision.open, alike=alike)
    statements.insert(tx, "outcomes", OUTCOME_COLUMNS, decision.outcomes, alike=alike)


def grow(tx: Connection, statements: Statements, table: str, increments: Increments, texts: LabelTexts) -> None:
    """Add to the sums of a table, each series once, however many events there were."""
    adding = f"ON CONFLICT ({', '.join(SERIES_KEY)}) DO UPDATE SET value = {table}.value + excluded.value"
    statements.insert(tx, table, SERIES_COLUMNS, series_rows(increments, texts), otherwise=adding)
