"""The leases beside a ledger that several exporters share: in the same database, over a connection of their own."""

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from exporter.ledger.opening import POSTGRESQL
from exporter.ledger.postgres import connected
from exporter.replicas.lease import RENEWALS
from exporter.replicas.postgres import PostgresLeases


def is_shared(url: str) -> bool:
    """Whether a ledger of this URL may be shared with other exporters."""
    return url.startswith(POSTGRESQL)


def patience_of(lease: float) -> float:
    """Seconds that a question about leases may take: an answer that comes later than the next renewal is of no use."""
    return lease / RENEWALS


def leases_at(url: str, *, lease: float) -> PostgresLeases:
    """The leases of accounts beside the ledger of this URL; ``lease`` is how many seconds each of them lasts."""
    return PostgresLeases(_engine(url), limit=patience_of(lease))


def _engine(url: str) -> Engine:
    def connect() -> Any:
        return connected(url, autocommit=False)

    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool, isolation_level="READ COMMITTED")
