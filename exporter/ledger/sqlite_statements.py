"""SQLite's own texts. Each is one of few, so that the driver has it prepared."""

import json
from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from sqlalchemy import Connection

from exporter.ledger.rows import Row, RowNumber

TOGETHER = 25
"""So many rows are inserted by one statement: to begin one costs as much as half a row."""


class SqliteStatements:
    """``exporter.ledger.statements.Statements`` for SQLite. Every table's rows have a number, its ``rowid``."""

    def fetched(self, tx: Connection, text: str, *values: object) -> list[Row]:
        return list(tx.exec_driver_sql(text, values).cursor.fetchall())

    def changed(self, tx: Connection, text: str, *values: object) -> int:
        return tx.exec_driver_sql(text, values).rowcount

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
        self, tx: Connection, table: str, columns: Sequence[str], rows: Sequence[Row], *, otherwise: str = ""
    ) -> None:
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
        together = len(rows) - len(rows) % TOGETHER
        for size, some in ((TOGETHER, rows[:together]), (1, rows[together:])):
            if some:
                places = ", ".join([f"({_places(len(columns))})"] * size)
                values = [tuple(chain.from_iterable(some[at : at + size])) for at in range(0, len(some), size)]
                tx.exec_driver_sql(f"{head}{places} {otherwise}".rstrip(), values)

    def rewrite(
        self, tx: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[RowNumber, Row]]
    ) -> None:
        if rows:
            written = ", ".join(f"{column} = ?" for column in columns)
            tx.exec_driver_sql(
                f"UPDATE {table} SET {written} WHERE rowid = ?", [(*row, number) for number, row in rows]
            )

    def delete(self, tx: Connection, table: str, numbers: Collection[RowNumber]) -> None:
        if numbers:
            text = f"DELETE FROM {table} WHERE rowid IN (SELECT value FROM json_each(?))"
            tx.exec_driver_sql(text, (_array(numbers),))

    def number_on(self, tx: Connection, tables: Iterable[str]) -> None:
        """SQLite numbers a new row from those that are there."""


def _array(values: Collection[RowNumber]) -> str:
    """As one value, however many there are: a parameter for each costs as much as to look for it."""
    return json.dumps(list(values))


def _places(number: int) -> str:
    return ", ".join("?" * number)
