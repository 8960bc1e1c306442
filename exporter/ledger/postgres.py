"""The PostgreSQL server: reached anew after whatever goes wrong, every commit on its disk before it is believed."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from exporter.ledger.database import explained
from exporter.ledger.ledger import LedgerError
from exporter.ledger.postgres_statements import PostgresStatements
from exporter.ledger.rows import DamagedRowError
from exporter.ledger.tables import migrate
from exporter.replicas.line import Line

CONNECTION: Mapping[str, Any] = {
    "fallback_application_name": "bytespike-exporter",
    "target_session_attrs": "read-write",  # of several servers the one that takes writes
    "connect_timeout": 5,
    # an answer that never comes, from a server that is gone, is missed within a quarter of a minute
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""How the server is reached where the URL does not say otherwise."""

MIGRATING = 0x62797465
"""The advisory lock of whoever changes the tables: any number will do that nobody else takes."""

ADVICE_BY_STATE = {
    "25006": "it takes no writes, as a standby: another connection is made, to the server that does",
    "25P03": "this exporter stood still within a transaction, which was given up",
    "28P01": "see that user and password are right (passfile, service or PGPASSWORD)",
    "42501": "the user must own the database, or be allowed to create tables in it (GRANT CREATE ON SCHEMA)",
    "53100": "there is no room left: free some on the server's disk",
    "53300": "raise max_connections there, or put PgBouncer before it",
    "55P03": "another session holds a lock on it: see pg_stat_activity there",
    "57014": "it took too long: see pg_stat_activity there for what keeps it busy",
    "57P01": "it was shut down, or the session ended there: another connection is made",
    "57P02": "it crashed: another connection is made when it is back",
    "57P03": "it is starting or shutting down: it is tried again",
}
"""What to do, by SQLSTATE: the server's own words may be in any language."""

ADVICE = (
    (
        "no password supplied",
        "name a passfile or service in ledger.url, or set PGPASSWORD; a passfile must be mode 0600",
    ),
    ("authentication failed", "see that user and password are right (passfile, service or PGPASSWORD)"),
    ("read-only", "it takes no writes: name the primary, or all servers, in ledger.url"),
    ("Connection refused", "see that it runs, and listens at this address"),
    ("No such file", "see that it runs, and listens at this socket"),
    ("resolve", "see that the host's name in ledger.url is right"),
    ("translate host name", "see that the host's name in ledger.url is right"),
    ("does not exist", "create it: createuser, createdb"),
    ("timeout expired", "it does not answer: see the network between, and the server"),
    ("closed the connection", "it was shut down, or the session ended there: another connection is made"),
)
"""What to do, by what libpq says of its own."""

MISSING = (
    "PostgreSQL needs a driver that is not installed: pip install 'bytespike-exporter[postgres]' (the image has it)"
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which the server gives up; 0: never. ``silence`` is when this process does, of a whole transaction.

    For a server may hang while its kernel answers, and what lies between may swallow its word.
    """

    statement: float = 10.0
    lock: float = 5.0
    idle_in_transaction: float = 10.0
    silence: float = 30.0

    def as_sql(self) -> str:
        """What sets them until the transaction ends: PgBouncer hands the session on after it."""
        named = (
            ("statement_timeout", self.statement),
            ("lock_timeout", self.lock),
            ("idle_in_transaction_session_timeout", self.idle_in_transaction),
        )
        return "; ".join(f"SET LOCAL {name} = {round(1000 * seconds)}" for name, seconds in named)


MIGRATION = Timeouts(statement=0.0, lock=30.0, silence=0.0)
"""A migration may rewrite a large table."""

READING_ALL = Timeouts(statement=0.0, idle_in_transaction=0.0, silence=0.0)

READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
"""The fence waits for a lock, and must then see what whoever had it has written."""


class PostgresServer:
    """``exporter.ledger.database.Database`` on a server that others can reach, too.

    The URL goes to libpq as it is, and so do the variables of the environment that libpq knows.
    """

    is_alone = False
    statements = PostgresStatements()

    def __init__(self, url: str, *, timeouts: Timeouts = Timeouts()) -> None:
        self._url = url
        self._timeouts = timeouts
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._line = Line()
        self._durably = ""

    @property
    def name(self) -> str:
        return urlsplit(self._url)._replace(query="", fragment="").geturl()

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def open(self) -> None:
        with mapped_errors(self.name):
            self._engine = _engine(self._url, self.name)
        try:
            with self._transaction(WRITE, MIGRATION) as tx:
                tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATING})")
                migrate(tx)
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        self._let_go()
        self._engine = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._transaction(READ, self._timeouts) as tx:
            yield tx

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self._transaction(WRITE, self._timeouts) as tx:
            yield tx

    @contextmanager
    def beside(self) -> Iterator[Connection]:
        """One transaction that reads all there is, for as long as that takes, of what need not be open."""
        with mapped_errors(self.name):
            self._engine = _engine(self._url, self.name)
        try:
            with self._transaction(READ, READING_ALL) as tx:
                yield tx
        finally:
            self.close()

    @contextmanager
    def _transaction(self, begin: str, timeouts: Timeouts) -> Iterator[Connection]:
        """A transaction; whatever goes wrong with the server, the next one has another connection."""
        with mapped_errors(self.name):
            try:
                connection = self._connected()
                with self._hung_up_after(timeouts.silence), connection.begin():
                    connection.exec_driver_sql(f"{begin}; {timeouts.as_sql()}{self._durably}")
                    yield connection
            except SQLAlchemyError:
                self._let_go()
                raise

    def _connected(self) -> Connection:
        if self._engine is None:
            raise LedgerError(f"ledger {self.name} is not open")
        if self._connection is None:
            self._connection = self._engine.connect()
            self._line.take(self._connection)
            with self._hung_up_after(self._timeouts.silence):
                self._durably = self._checked(self._connection)
        return self._connection

    @contextmanager
    def _hung_up_after(self, seconds: float) -> Iterator[None]:
        """Hear within so many seconds that the server is gone, if it says nothing; 0: never."""
        timer = threading.Timer(seconds, self._line.hang_up)
        timer.daemon = True
        if seconds:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _checked(self, connection: Connection) -> str:
        """See that the database can hold every text; return what makes its commits durable where they are not."""
        asked = "SELECT current_setting('server_encoding'), current_setting('synchronous_commit')"
        encoding, synchronous = connection.exec_driver_sql(asked).one()
        connection.rollback()
        if encoding != "UTF8":
            self._let_go()
            raise LedgerError(
                f"ledger {self.name}: its encoding is {encoding}, in which not every name can be written: create a"
                " database with ENCODING 'UTF8' TEMPLATE template0"
            )
        return "; SET LOCAL synchronous_commit = on" if synchronous == "off" else ""

    def _let_go(self) -> None:
        self._line.let_go()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):  # it may be broken
                connection.close()


def connected(url: str, *, autocommit: bool) -> Any:
    """A connection of the driver, by libpq's own reading of the URL; raises whatever the driver does."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(url)
    unsaid = {name: value for name, value in CONNECTION.items() if name not in given}
    # nothing is prepared: PgBouncer may change the session after each transaction
    return psycopg.connect(url, autocommit=autocommit, prepare_threshold=None, client_encoding="utf8", **unsaid)


def _engine(url: str, name: str) -> Engine:
    if find_spec("psycopg") is None:
        raise LedgerError(f"ledger {name}: {MISSING}")
    # each transaction is begun by its own text
    return create_engine("postgresql+psycopg://", creator=lambda: connected(url, autocommit=True), poolclass=NullPool)


@contextmanager
def mapped_errors(name: str) -> Iterator[None]:
    """The boundary: whatever the server says becomes a LedgerError that says what to do."""
    try:
        yield
    except DBAPIError as error:
        raise LedgerError(f"ledger {name}: {_advised(error.orig)}") from error
    except SQLAlchemyError as error:
        raise LedgerError(f"ledger {name}: {error}") from error
    except LedgerError as error:
        raise explained(name, error, delete=lambda row: _deleting(name, row)) from error


def _advised(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    state = ADVICE_BY_STATE.get(getattr(error, "sqlstate", None) or "")
    advice = state or next((advice for word, advice in ADVICE if word in text), None)
    return f"{text}: {advice}" if advice else text


def _deleting(name: str, damaged: DamagedRowError) -> str:
    where = f"id = {damaged.row}" if isinstance(damaged.row, int) else f"ctid = '{damaged.row}'"
    return f"psql '{name}' -c \"DELETE FROM {damaged.table} WHERE {where}\""  # noqa: S608 - nothing runs it
