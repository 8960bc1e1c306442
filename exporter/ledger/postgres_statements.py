"""PostgreSQL's own texts: whatever rows go in or are asked for, they go as one value, JSON, which names their columns.

Its text cannot hold every text of Python: U+0000, and halves of surrogate pairs, which JSON can carry. Those are
written as ESC and their code, so that two names stay two, and whoever reads gets what was written.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from exporter.ledger.rows import Row, RowNumber
from exporter.ledger.tables import metadata

ESCAPE = "\x1b"
_UNFIT = re.compile("[\x00\x1b\ud800-\udfff]")
_ESCAPED = re.compile(f"{ESCAPE}([0-9a-f]{{4}})")
_MAYBE_UNFIT = re.compile(rb"\\u0000|\\u001b")
"""What stands in the JSON of a text that has either, and of hardly any other."""


class PostgresStatements:
    """``exporter.ledger.statements.Statements`` for PostgreSQL.

    The number of a row is its ``id``; where a table has none, it is the row's place, ``ctid``, which is its own until
    somebody writes it.
    """

    def fetched(self, tx: Connection, text: str, *values: object) -> list[Row]:
        found = tx.exec_driver_sql(text.replace("?", "%s"), tuple(map(_written, values))).cursor.fetchall()
        return [_read(row) for row in found]

    def changed(self, tx: Connection, text: str, *values: object) -> int:
        return tx.exec_driver_sql(text.replace("?", "%s"), tuple(map(_written, values))).rowcount

    def rows(self, tx: Connection, table: str, columns: Sequence[str], *, order: str = "") -> list[Row]:
        ordered = f"ORDER BY {order}" if order else ""
        return self.fetched(tx, f"SELECT {_number(table)}, {', '.join(columns)} FROM {table} {ordered}")

    def rows_of(self, tx: Connection, table: str, columns: Sequence[str], *, account: str) -> list[Row]:
        text = f"SELECT {_number(table)}, {', '.join(columns)} FROM {table} WHERE account = ?"
        return self.fetched(tx, text, account)

    def page(self, tx: Connection, table: str, columns: Sequence[str], *, after: int, limit: int) -> list[Row]:
        text = f"SELECT id, {', '.join(columns)} FROM {table} WHERE id > ? ORDER BY id LIMIT ?"
        return self.fetched(tx, text, after, limit)

    def named(
        self, tx: Connection, table: str, columns: Sequence[str], *, account: str, kind: str, names: Collection[str]
    ) -> list[Row]:
        text = f"SELECT id, {', '.join(columns)} FROM {table} WHERE account = ? AND {kind} = ANY(?)"
        return self.fetched(tx, text, account, [_written(name) for name in names])

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
        if rows:
            own = columns[: len(columns) - len(alike)]
            found = ", ".join((*own, *("%s" for _ in alike)))
            text = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {found} FROM {_recordset(table)} {otherwise}"
            tx.exec_driver_sql(text, (*map(_written, alike), _json(own, rows)))

    def rewrite(
        self, tx: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[RowNumber, Row]]
    ) -> None:
        if rows:
            written = ", ".join(f"{column} = anew.{column}" for column in columns)
            text = f"UPDATE {table} SET {written} FROM {_recordset(table)} AS anew WHERE {table}.id = anew.id"
            tx.exec_driver_sql(text, (_json(("id", *columns), [(number, *row) for number, row in rows]),))

    def delete(self, tx: Connection, table: str, numbers: Collection[RowNumber]) -> None:
        if numbers:
            of_them = "id = ANY(%s)" if _is_numbered(table) else "ctid = ANY(%s::tid[])"
            tx.exec_driver_sql(f"DELETE FROM {table} WHERE {of_them}", (list(numbers),))

    def number_on(self, tx: Connection, tables: Iterable[str]) -> None:
        for table in tables:
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            tx.exec_driver_sql(f"SELECT setval({sequence}, (SELECT COALESCE(max(id), 0) + 1 FROM {table}), false)")


def _is_numbered(table: str) -> bool:
    return "id" in metadata.tables[table].columns


def _number(table: str) -> str:
    return "id" if _is_numbered(table) else "ctid::text"


def _recordset(table: str) -> str:
    """The rows of a JSON value, with the types that the table's columns have."""
    return f"json_populate_recordset(NULL::{table}, %s::json)"


# ---- every text of Python, and back ----------------------------------------------------------------------------------


def _json(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows as a JSON value. Nearly all are fit for PostgreSQL as they are, which is seen at a glance."""
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    try:
        content = msgspec.json.encode(named)
    except UnicodeEncodeError:  # half of a surrogate pair
        content = b""
    if content and not _MAYBE_UNFIT.search(content):
        return content.decode()
    return json.dumps([{column: _written(value) for column, value in row.items()} for row in named])


def _written(value: Any) -> Any:
    return _UNFIT.sub(_code, value) if isinstance(value, str) else value


def _code(unfit: re.Match[str]) -> str:
    return f"{ESCAPE}{ord(unfit[0]):04x}"


def _read(row: Row) -> Row:
    if any(isinstance(value, str) and ESCAPE in value for value in row):
        return tuple(_unescaped(value) if isinstance(value, str) else value for value in row)
    return row


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), text)
