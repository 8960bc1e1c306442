"""The SQLite file: opened for one process alone, every commit on the disk before it is believed."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from exporter.ledger.errors import LedgerError
from exporter.ledger.migrate import migrate

BUSY_TIMEOUT_MS = 2000

ADVICE = (
    ("locked", "another process holds it: stop that process, or give this exporter a ledger of its own"),
    ("readonly", "it is read-only: make the file and its directory writable for this user"),
    ("full", "there is no room left: free some on its disk"),
    ("not a database", "it is damaged or no SQLite file: restore a copy, or move it away to begin again from 0"),
    ("malformed", "it is damaged: restore a copy, or move it away to begin again from 0"),
    ("unable to open", "it cannot be opened: its directory must exist and be writable for this user"),
    ("disk I/O", "its disk does not take or give data: see the system's log"),
)


class SqliteFile:
    """One database file, held by a lock file beside it for as long as it is open."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._path = Path(self._url.database or "")
        self._lock = FileLock(f"{self._path}.lock", timeout=0, thread_local=False)
        self._engine: Engine | None = None
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise LedgerError(f"ledger {self.name} is not open")
        return self._connection

    def open(self) -> None:
        try:
            with mapped_errors(self.name):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
                self._engine = _engine(self._url.render_as_string(hide_password=False))
                self._connection = self._engine.connect()
                with self._connection.begin():
                    migrate(self._connection)
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._engine is not None:
            self._engine.dispose()
        self._connection = self._engine = None
        self._lock.release()


@contextmanager
def mapped_errors(name: str) -> Iterator[None]:
    """The boundary: whatever the database says becomes a LedgerError that says what to do."""
    try:
        yield
    except Timeout as error:
        raise LedgerError(f"ledger {name}: another exporter holds it ({name}.lock)") from error
    except CommandError as error:
        raise LedgerError(f"ledger {name}: written by another version of this exporter ({error})") from error
    except DBAPIError as error:
        raise LedgerError(f"ledger {name}: {_explained(str(error.orig))}") from error
    except (SQLAlchemyError, OSError) as error:
        raise LedgerError(f"ledger {name}: {_explained(str(error))}") from error


def _explained(text: str) -> str:
    advice = next((advice for word, advice in ADVICE if word in text), None)
    return f"{text}: {advice}" if advice else text


def _engine(url: str) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own: _on_begin does
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # the one writer takes its lock first, so it cannot fail half-way
