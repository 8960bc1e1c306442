"""The tables, narrow, so that a million outcomes stay cheap; and how an older ledger gets them.

``outcomes`` grows at its end, in the order of time. ``open_tasks`` holds what a restart must know of tasks that have
not ended; ``is_followed`` is whether one has been counted as followed, which every task that ended has. In both,
``looked_at`` is when the row was written or last looked at by the pruning, and ``is_named`` is false where no source
named its task then. ``totals`` holds what tasks have added up to and ``meters`` what the exporter counts of itself, so
that a restart never adds history up again; ``account`` is '' for what belongs to none. ``registrations`` are the tasks
that were registered over HTTP; ``key`` is both ids as one text, for one may be missing. ``learnt`` is what the adaptive
cadence knows; it is lost without harm.

``leases`` says which process (``owner``) may write what belongs to an account, and the number of its last batch; that
of account '' is for a process that has the whole ledger alone. The rest is for several exporters on one ledger:
``replicas`` are those that live, ``account_versions`` goes up whenever an account's registrations change, and the
``version`` of one is that of its last change; one with ``deleted_at`` was given up then, and stays for a day, until all
have heard of it. ``formats`` names the oldest version of the tables whose code may still use
them, and ``copies`` what is being copied into this ledger, if anything is.
"""

from enum import StrEnum
from pathlib import Path

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    inspect,
    text,
)

from exporter.ledger.columns import NUMBER, TEXT
from exporter.ledger.ledger import LedgerError

metadata = MetaData()

NAMED = text("out_task_id IS NOT NULL")

open_tasks = Table(
    "open_tasks",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("account", TEXT, nullable=False),
    Column("task_id", TEXT),
    Column("out_task_id", TEXT),
    Column("first_seen_at", Float, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("observed_at", Float),
    Column("open_at", Float),
    Column("running_at", Float),
    Column("eta_seconds", Float),
    Column("credits_estimated", Float),
    Column("looked_at", Float, nullable=False),
    Column("is_named", Boolean, nullable=False),
    Column("is_followed", Boolean, nullable=False),
    Index("open_tasks_task_id", "account", "task_id"),
    Index("open_tasks_out_task_id", "account", "out_task_id", sqlite_where=NAMED, postgresql_where=NAMED),
    Index("open_tasks_looked_at", "account", "looked_at"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("account", TEXT, nullable=False),
    Column("task_id", TEXT),
    Column("out_task_id", TEXT),
    Column("status", TEXT, nullable=False),
    Column("first_seen_at", Float, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("finished_at", Float, nullable=False),
    Column("duration", Float),
    Column("eta_seconds", Float),
    Column("credits_estimated", Float),
    Column("credits_used", Float),
    Column("error_code", TEXT),
    Column("looked_at", Float, nullable=False),
    Column("is_named", Boolean, nullable=False),
    UniqueConstraint("account", "task_id", name="outcomes_task_id"),
    Index("outcomes_out_task_id", "account", "out_task_id", sqlite_where=NAMED, postgresql_where=NAMED),
    Index("outcomes_looked_at", "account", "looked_at"),
)


def _sums(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("account", TEXT, nullable=False),
        Column("family", TEXT, nullable=False),
        Column("labels", TEXT, nullable=False),
        Column("part", TEXT, nullable=False),
        Column("value", Float, nullable=False),
        PrimaryKeyConstraint("account", "family", "labels", "part", name=f"{name}_key"),
    )


totals = _sums("totals")
meters = _sums("meters")

registrations = Table(
    "registrations",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("group_name", TEXT, nullable=False),
    Column("account", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    Column("task_id", TEXT),
    Column("out_task_id", TEXT),
    Column("model", TEXT, nullable=False),
    Column("labels", TEXT, nullable=False),
    Column("submitted_at", Float),
    Column("registered_at", Float, nullable=False),
    Column("version", NUMBER, nullable=False, server_default="0"),
    Column("deleted_at", Float),
    UniqueConstraint("group_name", "account", "key", name="registrations_key"),
    Index("registrations_version", "account", "version", sqlite_where=text("version > 0")),  # a file has none
)

account_versions = Table(
    "account_versions",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("version", NUMBER, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("owner", TEXT),
    Column("epoch", NUMBER, nullable=False),
    Column("beat", NUMBER, nullable=False),
    Column("batch", NUMBER, nullable=False),
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("url", TEXT, nullable=False),
    Column("beat", NUMBER, nullable=False),
)

learnt = Table(
    "learnt",
    metadata,
    Column("account", TEXT, nullable=False),
    Column("group_name", TEXT, nullable=False),
    Column("model", TEXT, nullable=False),
    Column("text", TEXT, nullable=False),
    Column("kept_at", Float, nullable=False),
    PrimaryKeyConstraint("account", "group_name", "model"),
)

formats = Table("formats", metadata, Column("min_reader", TEXT, primary_key=True))

copies = Table("copies", metadata, Column("source", TEXT, primary_key=True))


MIGRATIONS = Path(__file__).parent / "migrations"


class Fitness(StrEnum):
    """What this version can do with the tables that it finds."""

    MISSING = "missing"
    OLDER = "older"
    USABLE = "usable"
    NEWER = "newer"


class AnotherVersionError(LedgerError):
    """The ledger has tables that this version does not know."""


def migrate(connection: Connection, *, to: str = "head") -> None:
    """Run the migrations that the ledger lacks, inside the transaction that is open on the connection.

    A newer version may have run more, and have left it so that this one can go on with it: as while exporters that
    share a ledger are upgraded one after the other. Raises AnotherVersionError where it has not.

    Nearly every start finds that it lacks none, and does not load what runs them: that takes longer than to read the
    ledger of a thousand tasks.
    """
    if to == "head" and fitness_of(connection) is Fitness.USABLE:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError as error:
        raise AnotherVersionError(str(error)) from error


def fitness_of(connection: Connection) -> Fitness:
    """Usable are the tables of this version, and those of a newer one that has kept them fit for this one."""
    latest = _latest_revision()
    found = _only(connection, "alembic_version", "version_num")
    if found is None:
        return Fitness.MISSING
    if found < latest:
        return Fitness.OLDER
    is_usable = found == latest or (_only(connection, "formats", "min_reader") or found) <= latest
    return Fitness.USABLE if is_usable else Fitness.NEWER


def _only(connection: Connection, table: str, column: str) -> str | None:
    """What the only row of a table says; None where there is none, or no such table."""
    if not inspect(connection).has_table(table):
        return None
    value: str | None = connection.scalar(text(f"SELECT {column} FROM {table}"))  # noqa: S608 - names of this package
    return value


def _latest_revision() -> str:
    """The last migration that there is: their files are named by their numbers."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]
