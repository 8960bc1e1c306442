"""SQLite's own texts, for the driver itself. Each is one of few, so that it has it prepared.

The toolkit has the connection and its transactions. To go through it with each statement takes longer than most of them
take, and whatever the driver raises is mapped at the same boundary (``sqlite.mapped_errors``).
"""

import json
import math
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import cast

import msgspec
from sqlalchemy import Connection

from exporter.ledger.rows import Row, RowNumber

NULL = math.nan
"""SQLite has no NaN: it keeps it as NULL, in every column."""

TOGETHER = 25
"""So many rows are inserted by one statement: to begin one costs as much as half a row."""


class SqliteStatements:
    """``exporter.ledger.statements.Statements`` for SQLite. Every table's rows have a number, its ``rowid``."""

    def fetched(self, tx: Connection, text: str, *values: object) -> list[Row]:
        return _driver(tx).execute(text, values).fetchall()

    def changed(self, tx: Connection, text: str, *values: object) -> int:
        return _driver(tx).execute(text, values).rowcount

    def rows(self, tx: Connection, table: str, columns: Sequence[str], *, order: str = "") -> list[Row]:
        ordered = f"ORDER BY {order}" if order else ""
        return self.fetched(tx, f"SELECT rowid, {', '.join(columns)} FROM {table} {ordered}".rstrip())

    def rows_of(self, tx: Connection, table: str, columns: Sequence[str], *, account: str) -> list[Row]:
        return self.fetched(tx, f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE account = ?", account)

    def page(self, tx: Connection, table: str, columns: Sequence[str], *, after: int, limit: int) -> list[Row]:
        text = f"SELECT id, {', '.join(columns)} FROM {table} WHERE id > ? ORDER BY id LIMIT ?"
        return self.fetched(tx, text, after, limit)

    def named(
        self, tx: Connection, table: str, columns: Sequence[str], *, account: str, kind: str, names: Collection[str]
    ) -> list[Row]:
        asking = f"SELECT {table}.rowid, {', '.join(columns)} FROM json_each(?) AS asked CROSS JOIN {table}"
        text = f"{asking} WHERE account = ? AND {kind} = asked.value"  # one look at the index for each of them
        return self.fetched(tx, text, _array(names), account)

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
        own = len(columns) - len(alike)
        # whatever fails ends the whole transaction: SQLite need not note what would undo this statement alone
        head = f"INSERT OR ROLLBACK INTO {table} ({', '.join((*columns[own:], *columns[:own]))}) VALUES "
        row = ", ".join((*(f"?{number}" for number in range(1, len(alike) + 1)), *"?" * own))
        together = len(rows) - len(rows) % TOGETHER
        for size, some in ((TOGETHER, rows[:together]), (1, rows[together:])):
            if some:
                text = f"{head}{', '.join([f'({row})'] * size)} {otherwise}".rstrip()
                values = ([*alike, *_bound(some[at : at + size])] for at in range(0, len(some), size))
                _driver(tx).executemany(text, values)

    def rewrite(
        self, tx: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[RowNumber, Row]]
    ) -> None:
        if rows:
            written = ", ".join(f"{column} = ?" for column in columns)
            text = f"UPDATE {table} SET {written} WHERE rowid = ?"
            _driver(tx).executemany(text, (_bound([row, (number,)]) for number, row in rows))

    def delete(self, tx: Connection, table: str, numbers: Collection[RowNumber]) -> None:
        if numbers:
            text = f"DELETE FROM {table} WHERE rowid IN (SELECT value FROM json_each(?))"
            _driver(tx).execute(text, (_array(sorted(numbers)),))

    def number_on(self, tx: Connection, tables: Iterable[str]) -> None:
        """SQLite numbers a new row from those that are there."""


def _driver(tx: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", tx.connection.driver_connection)


def _bound(rows: Iterable[Row]) -> list[object]:
    """The values of rows, one after the other, as the driver takes them soonest: each None takes it ten times as long
    as a number, for it looks for something that could adapt it."""
    return [NULL if value is None else value for row in rows for value in row]


def _array(values: Collection[RowNumber]) -> str:
    """As one value, however many there are: a parameter for each costs as much as to look for it."""
    listed = list(values)
    try:
        return msgspec.json.encode(listed).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry
        return json.dumps(listed)
