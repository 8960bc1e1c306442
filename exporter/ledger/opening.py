"""The ledger that a URL names, in a file or on a server, and the leases beside one that several exporters share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from exporter.accounting.series import Series
from exporter.ledger.database import Database
from exporter.ledger.postgres import PostgresServer, connected
from exporter.ledger.rows import SUM_COLUMNS, numbers_of
from exporter.ledger.sqlite import SqliteFile, reading_beside
from exporter.ledger.statements import Statements
from exporter.ledger.store import StoredLedger
from exporter.replicas.lease import longest_answer
from exporter.replicas.postgres import PostgresLeases
from exporter.settings.postgres import is_postgres


def database_at(url: str) -> Database:
    """The database that a URL names, not open yet."""
    return PostgresServer(url) if is_postgres(url) else SqliteFile(url)


def ledger_at(
    url: str, *, alone: bool = False, waiting: Callable[[float], None] = lambda _seconds: None
) -> StoredLedger:
    """The ledger that a URL names, not open yet; see StoredLedger.

    One on a server is shared, unless it is wanted ``alone``: as for a command, while no exporter is at work.
    """
    return StoredLedger(database_at(url), is_shared=is_postgres(url) and not alone, waiting=waiting)


def leases_at(url: str, *, lease: float) -> PostgresLeases:
    """The leases of the accounts of a shared ledger, in the same database and over a connection of their own.

    ``lease`` is how many seconds each of them lasts.
    """
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connected(url, autocommit=False),
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
    )
    return PostgresLeases(engine, limit=longest_answer(lease))


class Beside(NamedTuple):
    """A transaction that only reads, and how its database is spoken to."""

    tx: Connection
    statements: Statements


@contextmanager
def beside(url: str) -> Iterator[Beside]:
    """Read a ledger that an exporter may have open, as it is at one instant, whatever version wrote it."""
    if is_postgres(url):
        with PostgresServer(url).beside() as tx:
            yield Beside(tx, PostgresServer.statements)
    else:
        with reading_beside(url) as tx:
            yield Beside(tx, SqliteFile.statements)


def totals_beside(url: str) -> dict[Series, float]:
    """The totals of tasks in a ledger that another process may have open."""
    with beside(url) as (tx, statements):
        return numbers_of("totals", statements.rows(tx, "totals", SUM_COLUMNS))
