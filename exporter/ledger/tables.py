"""The tables, narrow, so that a million outcomes stay cheap; and how an older ledger gets them.

``outcomes`` grows at its end, in the order of time. ``open_tasks`` holds what a restart must know of tasks that have
not ended; ``is_followed`` is whether one has been counted as followed, which every task that ended has. In both,
``looked_at`` is when the row was written or last looked at by the pruning, and ``is_named`` is false where no source
named its task then. ``totals`` holds what tasks have added up to and ``meters`` what the exporter counts of itself, so
that a restart never adds history up again. ``registrations`` are the tasks that were registered over HTTP; ``key`` is
both ids as one text, for one may be missing. ``batches`` knows the last batch of each writer, and which process
(``owner``) is that writer. ``learnt`` is what the adaptive cadence knows; it is lost without harm.
"""

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
    String,
    Table,
    UniqueConstraint,
    inspect,
    text,
)

from exporter.ledger.ledger import LedgerError

metadata = MetaData()

open_tasks = Table(
    "open_tasks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String, nullable=False),
    Column("task_id", String),
    Column("out_task_id", String),
    Column("first_seen_at", Float, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("observed_at", Float),
    Column("open_at", Float),
    Column("running_at", Float),
    Column("eta_seconds", Float),
    Column("credits_estimated", Float),
    Column("looked_at", Float, nullable=False),
    Column("is_named", Boolean, nullable=False),
    Column("is_followed", Boolean, nullable=False),
    Index("open_tasks_task_id", "account", "task_id"),
    Index("open_tasks_out_task_id", "account", "out_task_id", sqlite_where=text("out_task_id IS NOT NULL")),
    Index("open_tasks_looked_at", "account", "looked_at"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String, nullable=False),
    Column("task_id", String),
    Column("out_task_id", String),
    Column("status", String, nullable=False),
    Column("first_seen_at", Float, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("finished_at", Float, nullable=False),
    Column("duration", Float),
    Column("eta_seconds", Float),
    Column("credits_estimated", Float),
    Column("credits_used", Float),
    Column("error_code", String),
    Column("looked_at", Float, nullable=False),
    Column("is_named", Boolean, nullable=False),
    UniqueConstraint("account", "task_id", name="outcomes_task_id"),
    Index("outcomes_out_task_id", "account", "out_task_id", sqlite_where=text("out_task_id IS NOT NULL")),
    Index("outcomes_looked_at", "account", "looked_at"),
)


def _sums(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("family", String, nullable=False),
        Column("labels", String, nullable=False),
        Column("part", String, nullable=False),
        Column("value", Float, nullable=False),
        PrimaryKeyConstraint("family", "labels", "part"),
    )


totals = _sums("totals")
meters = _sums("meters")

registrations = Table(
    "registrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_name", String, nullable=False),
    Column("account", String, nullable=False),
    Column("key", String, nullable=False),
    Column("task_id", String),
    Column("out_task_id", String),
    Column("model", String, nullable=False),
    Column("labels", String, nullable=False),
    Column("submitted_at", Float),
    Column("registered_at", Float, nullable=False),
    UniqueConstraint("group_name", "account", "key", name="registrations_key"),
)

batches = Table(
    "batches",
    metadata,
    Column("writer", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("number", Integer, nullable=False),
)

learnt = Table(
    "learnt",
    metadata,
    Column("account", String, nullable=False),
    Column("group_name", String, nullable=False),
    Column("model", String, nullable=False),
    Column("text", String, nullable=False),
    Column("kept_at", Float, nullable=False),
    PrimaryKeyConstraint("account", "group_name", "model"),
)


MIGRATIONS = Path(__file__).parent / "migrations"


class AnotherVersionError(LedgerError):
    """The ledger has tables that this version does not know."""


def migrate(connection: Connection, *, to: str = "head") -> None:
    """Run the migrations that the ledger lacks, inside the transaction that is open on the connection.

    Raises AnotherVersionError. Nearly every start finds that it lacks none, and does not load what runs them: that
    takes longer than to read the ledger of a thousand tasks.
    """
    if to == "head" and _revision(connection) == _latest_revision():
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


def _revision(connection: Connection) -> str | None:
    """The last migration that the ledger had, as Alembic noted it; None where it had none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _latest_revision() -> str:
    """The last migration that there is: their files are named by their numbers."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]
