"""Leases in PostgreSQL: each call one short transaction, each statement true at the instant it is executed.

The tables come with the ledger's migrations. Nothing here needs a session of its own: it goes through a pooler in
transaction mode, too.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from exporter.replicas.lease import Lease, LeaseError, Member, Standing, Tenure
from exporter.replicas.line import Line

MEMBERS_LIMIT = 1000
"""So many members are looked at. The dead are dropped after a while."""

TIMEOUTS = text(
    "SELECT set_config('statement_timeout', :limit, true), set_config('lock_timeout', :limit, true),"
    " set_config('idle_in_transaction_session_timeout', :limit, true)"
)
"""For this transaction alone: a pooler hands the connection on, and refuses such settings at its start."""

ENROL = text(
    "INSERT INTO leases (account, owner, epoch, beat, batch)"
    " SELECT account, NULL, 0, 0, 0 FROM unnest(CAST(:accounts AS text[])) AS account ON CONFLICT DO NOTHING"
)

BEAT = text(
    "INSERT INTO replicas (id, url, beat) VALUES (:owner, :url, 1)"
    " ON CONFLICT (id) DO UPDATE SET url = excluded.url, beat = replicas.beat + 1"
)

RENEW = text(
    "WITH mine AS (SELECT account FROM leases WHERE owner = :owner AND (account, epoch) IN"
    " (SELECT * FROM unnest(CAST(:accounts AS text[]), CAST(:epochs AS bigint[]))) ORDER BY account FOR UPDATE)"
    " UPDATE leases SET beat = beat + 1 FROM mine WHERE leases.account = mine.account RETURNING leases.account"
)
"""In one order, whoever locks several: two that wait for each other would wait in vain."""

LEASES = text("SELECT account, owner, epoch, beat FROM leases WHERE account = ANY(CAST(:accounts AS text[]))")

MEMBERS = text("SELECT id, url, beat FROM replicas ORDER BY id LIMIT :limit")

# a row that is locked is being written under by its owner, or by a process that stands still within a commit: it is not
# waited for, others can be taken meanwhile
TAKE = text(
    "UPDATE leases SET owner = :owner, epoch = epoch + 1, beat = 0 WHERE account = ("
    "SELECT account FROM leases WHERE account = :account AND epoch = :epoch AND beat = :beat"
    " AND owner IS NOT DISTINCT FROM CAST(:seen AS text) FOR UPDATE SKIP LOCKED) RETURNING epoch, batch"
)

RELEASE = text("UPDATE leases SET owner = NULL WHERE account = :account AND owner = :owner AND epoch = :epoch")

LEAVE = text("DELETE FROM replicas WHERE id = :owner")

FORGET = text(
    "DELETE FROM replicas WHERE (id, beat) IN (SELECT * FROM unnest(CAST(:owners AS text[]), CAST(:beats AS bigint[])))"
)


class PostgresLeases:
    """``exporter.replicas.store.LeaseStore`` on PostgreSQL.

    ``limit`` is how many seconds a statement may take. The engine makes connections for it alone: without a pool, READ
    COMMITTED, without prepared statements, and to a server that takes writes. After a fault the connection is dropped,
    whatever the fault was: the next one may lead to another server.
    """

    def __init__(self, engine: Engine, *, limit: float) -> None:
        self._engine = engine
        self._limit = f"{round(1000 * limit)}ms"
        self._connection: Connection | None = None
        self._line = Line()

    def enrol(self, accounts: Collection[str]) -> None:
        with self._transaction() as transaction:
            transaction.execute(ENROL, {"accounts": sorted(accounts)})

    def renew(self, owner: str, url: str, held: Mapping[str, int]) -> frozenset[str]:
        with self._transaction() as transaction:
            transaction.execute(BEAT, {"owner": owner, "url": url})
            renewed = transaction.execute(
                RENEW, {"owner": owner, "accounts": list(held), "epochs": list(held.values())}
            ).scalars()
            return frozenset(renewed)

    def look(self, accounts: Collection[str]) -> Standing:
        with self._transaction() as transaction:
            leases = transaction.execute(LEASES, {"accounts": list(accounts)}).all()
            members = transaction.execute(MEMBERS, {"limit": MEMBERS_LIMIT}).all()
        return Standing(
            {row.account: Lease(row.account, row.owner, row.epoch, row.beat) for row in leases},
            {row.id: Member(row.id, row.url, row.beat) for row in members},
        )

    def take(self, owner: str, lease: Lease) -> Tenure | None:
        seen = {"account": lease.account, "epoch": lease.epoch, "beat": lease.beat, "seen": lease.owner}
        with self._transaction() as transaction:
            row = transaction.execute(TAKE, {"owner": owner, **seen}).first()
            return None if row is None else Tenure(row.epoch, row.batch)

    def release(self, owner: str, account: str, epoch: int) -> None:
        with self._transaction() as transaction:
            transaction.execute(RELEASE, {"owner": owner, "account": account, "epoch": epoch})

    def leave(self, owner: str) -> None:
        with self._transaction() as transaction:
            transaction.execute(LEAVE, {"owner": owner})

    def forget(self, members: Sequence[Member]) -> None:
        dead = {"owners": [member.owner for member in members], "beats": [member.beat for member in members]}
        with self._transaction() as transaction:
            transaction.execute(FORGET, dead)

    def interrupt(self) -> None:
        self._line.hang_up()

    def close(self) -> None:
        self._line.let_go()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One transaction; the boundary where whatever the database says becomes a LeaseError."""
        try:
            connection = self._connected()
            with connection.begin():
                connection.execute(TIMEOUTS, {"limit": self._limit})
                yield connection
        except DBAPIError as error:
            self.close()
            raise LeaseError(f"leases: {_in_short(error.orig)}") from error
        except (SQLAlchemyError, OSError) as error:
            self.close()
            raise LeaseError(f"leases: {_in_short(error)}") from error

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._connection = self._engine.connect()
            self._line.take(connection)
        return self._connection


def _in_short(error: BaseException | None) -> str:
    """The first line of what a driver says: the others quote statements."""
    return next(iter(str(error).splitlines()), type(error).__name__)
