"""Where a ledger of a test is kept: in a file, or on a server. What is told of it holds for both."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import event

from exporter.ledger.opening import database_at
from exporter.ledger.store import StoredLedger
from tests.support.postgres import Postgres


class Place(Protocol):
    """One ledger, which nothing has opened yet."""

    @property
    def url(self) -> str: ...

    def run(self, statement: str) -> int:
        """Run a statement as somebody else; how many rows it wrote."""
        ...

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds, as somebody else."""
        ...


@dataclass(frozen=True)
class File:
    """A SQLite file."""

    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def run(self, statement: str) -> int:
        with closing(sqlite3.connect(self.path)) as other, other:
            return other.execute(statement).rowcount

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as other:
            return other.execute(query).fetchall()


@dataclass(frozen=True)
class OnServer:
    """A database of a PostgreSQL server."""

    server: Postgres
    database: str

    @property
    def url(self) -> str:
        return self.server.url(self.database)

    def run(self, statement: str) -> int:
        return self.server.run(statement, database=self.database)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.server.rows(query, self.database)


def opened(place: Place, *, owner: str | None = None, lease: float = 0.2) -> StoredLedger:
    """The ledger there, open. Whoever had it and did not give it up is waited for hardly at all."""
    ledger = StoredLedger(database_at(place.url), owner=owner, lease=lease, sleep=lambda _seconds: None)
    ledger.open()
    return ledger


def heard(ledger: StoredLedger) -> list[str]:
    """Whatever statements its database is given from now on; a file tells them with their values."""
    statements: list[str] = []
    with ledger.database.reading() as tx:
        driver = tx.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.set_trace_callback(statements.append)
        else:
            event.listen(tx.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    return statements
