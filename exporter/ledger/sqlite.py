"""The SQLite file: opened for one process alone, every commit on the disk of that very file before it is believed."""

import fcntl
import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from exporter.ledger.database import explained
from exporter.ledger.ledger import LedgerError
from exporter.ledger.rows import DamagedRowError
from exporter.ledger.sqlite_statements import SqliteStatements
from exporter.ledger.tables import migrate

BUSY_TIMEOUT = 2.0
"""Seconds that a call waits for another process that holds the file."""

ADVICE = (
    ("locked", "another process holds it: stop that process, or give this exporter a ledger of its own"),
    ("readonly", "it is read-only: make the file and its directory writable for this user"),
    ("Read-only file system", "its disk is mounted read-only: mount it writable, or set ledger.url to another place"),
    ("Permission denied", "it cannot be opened: make the file and its directory writable for this user"),
    ("full", "there is no room left: free some on its disk"),
    ("not a database", "it is damaged or no SQLite file: restore a copy, or move it away to begin again from 0"),
    ("malformed", "it is damaged: restore a copy, or move it away to begin again from 0"),
    ("unable to open", "it cannot be opened: its directory must exist and be writable for this user"),
    ("disk I/O", "its disk does not take or give data: see the system's log"),
)

LOST = (
    "was removed or replaced while this exporter had it open. Nothing is written any more: it would be gone with the"
    " file. Put back the very file that was there, or restart this exporter, which then goes on from what is there now"
)


class SqliteFile:
    """``exporter.ledger.database.Database`` in one file, this process's alone for as long as it is open.

    ``busy_timeout`` is the seconds that a call waits for another process that holds the file.
    """

    is_alone = True
    statements = SqliteStatements()

    def __init__(self, url: str, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self._url = make_url(url)
        self._busy_timeout = busy_timeout
        self._path = _absolute(Path(os.fsdecode((self._url.database or "").encode())))  # whatever the locale
        self._held: _HeldFile | None = None
        self._engine: Engine | None = None
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        return self._url.database or ""

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise LedgerError(f"ledger {self.name} is not open")
        return self._connection

    def open(self) -> None:
        """Lock the file, open it, and bring its tables to this version."""
        try:
            with mapped_errors(self.name):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._held = _HeldFile(self._path)
                self._held.lock()
                self._engine = _engine(
                    self._url.set(database=str(self._held.real_path)), busy_timeout=self._busy_timeout
                )
                self._connection = self._engine.connect()
                with self._connection.begin():
                    migrate(self._connection)
                self._held.note_wal()
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        """Close the database, and only then unlock it."""
        if self._connection is not None:
            self._connection.close()
        if self._engine is not None:
            self._engine.dispose()
        if self._held is not None:
            self._held.release()
        self._connection = self._engine = self._held = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that writes nothing."""
        with mapped_errors(self.name), self.connection.begin():
            yield self.connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, begun and believed only while the file is still the one that was opened."""
        connection = self.connection
        with mapped_errors(self.name):
            self._check_identity()
            with connection.begin():
                yield connection
            self._check_identity()

    def _check_identity(self) -> None:
        if self._held is not None:
            self._held.check()


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError:
        raise LedgerError(f"ledger {path}: the working directory, in which it lies, is gone") from None


class _HeldFile:
    """Which file is open, and the locks that make it this process's alone.

    The file itself is locked, so that no other path to it (a symbolic link, a hard link) leads around the lock; and so
    are ``.lock`` files beside it, which is all that version 0.1.0 knows of. The descriptor must outlive SQLite's own:
    closing any descriptor of a file drops all POSIX locks that the process has on it, SQLite's among them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.real_path = path.resolve()
        named = {path.parent.resolve() / path.name, self.real_path}
        self._lock_files = [FileLock(f"{each}.lock", timeout=0, thread_local=False) for each in sorted(named)]
        self._wal_path = self.real_path.with_name(f"{self.real_path.name}-wal")
        self._wal: tuple[int, int] | None = None
        self._descriptor: int | None = None

    def lock(self) -> None:
        """Take all locks; whoever fails releases."""
        for lock_file in self._lock_files:
            lock_file.acquire()
        self._descriptor = os.open(self.real_path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if platform.system() != "Linux":
            return  # there, this lock and those of SQLite are of one kind, and would be in each other's way
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerError(
                f"ledger {self._path}: another exporter holds it (the file itself, {self.real_path}, by whatever path)"
            ) from None

    def note_wal(self) -> None:
        """Take the log that SQLite has open for the one that belongs to the file."""
        self._wal = _inode(self._wal_path)

    def check(self) -> None:
        """Raise LedgerError where the path does not lead to the open file any more, or to another log than its own."""
        opened = os.fstat(self._descriptor) if self._descriptor is not None else None
        if opened is None or _inode(self._path) != (opened.st_dev, opened.st_ino):
            raise LedgerError(f"ledger {self._path}: the file {LOST}")
        if _inode(self._wal_path) != self._wal:
            raise LedgerError(
                f"ledger {self._path}: {self._wal_path.name}, the log beside it, {LOST}. End it by SIGTERM, not by"
                " SIGKILL: it then brings into the ledger what the log held"
            )

    def release(self) -> None:
        """Give up all locks."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        for lock_file in self._lock_files:
            lock_file.release()


@contextmanager
def reading_beside(url: str) -> Iterator[Connection]:
    """A transaction that only reads a ledger which another process may have open, whatever version wrote it."""
    name = make_url(url).database or ""
    if not Path(name).is_file():
        raise LedgerError(f"ledger {name}: there is no such file")
    with mapped_errors(name):
        engine = _engine(make_url(url), begin="BEGIN", pragmas=("query_only=1",))
        with engine.connect() as connection, connection.begin():
            yield connection


@contextmanager
def mapped_errors(name: str) -> Iterator[None]:
    """The boundary: whatever the database says becomes a LedgerError that says what to do."""
    try:
        yield
    except Timeout as error:
        raise LedgerError(f"ledger {name}: another exporter holds it ({error.lock_file})") from error
    except DBAPIError as error:
        raise LedgerError(f"ledger {name}: {_advised(str(error.orig))}") from error
    except sqlite3.Error as error:  # of what goes to the driver itself
        raise LedgerError(f"ledger {name}: {_advised(str(error))}") from error
    except LedgerError as error:
        raise explained(name, error, delete=lambda row: _deleting(name, row)) from error
    except (SQLAlchemyError, OSError) as error:
        raise LedgerError(f"ledger {name}: {_advised(str(error))}") from error


def _advised(text: str) -> str:
    advice = next((advice for word, advice in ADVICE if word in text), None)
    return f"{text}: {advice}" if advice else text


def _deleting(name: str, damaged: DamagedRowError) -> str:
    return f"sqlite3 '{name}' 'DELETE FROM {damaged.table} WHERE rowid = {damaged.row}'"  # noqa: S608 - nothing runs it


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _engine(
    url: URL,
    *,
    busy_timeout: float = BUSY_TIMEOUT,
    begin: str = "BEGIN IMMEDIATE",
    pragmas: tuple[str, ...] = ("journal_mode=WAL", "synchronous=FULL"),
) -> Engine:
    """``begin``: the one writer takes its lock first, so that it cannot fail half-way."""

    def on_connect(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own: on_begin does
        for pragma in (f"busy_timeout={round(1000 * busy_timeout)}", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    def on_begin(connection: Connection) -> None:
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        driver.execute(begin)

    engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine
