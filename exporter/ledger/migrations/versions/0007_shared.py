"""What several exporters need to share a ledger: leases in place of one writer, and sums that belong to an account."""

import sqlalchemy as sa
from alembic import op

from exporter.ledger.columns import NUMBER, TEXT

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make leases of batches, give the sums their account, version registrations, and say who can read all this."""
    _lease_what_is_written()
    for table in ("totals", "meters"):
        _sum_by_account(table)
    _version_registrations()
    op.create_table("formats", sa.Column("min_reader", TEXT, primary_key=True))
    op.execute("INSERT INTO formats (min_reader) VALUES ('0007')")
    op.create_table("copies", sa.Column("source", TEXT, primary_key=True))


def _lease_what_is_written() -> None:
    op.create_table(
        "replicas",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("beat", NUMBER, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("account", TEXT, primary_key=True),
        sa.Column("owner", TEXT),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("beat", NUMBER, nullable=False),
        sa.Column("batch", NUMBER, nullable=False),
        postgresql_with={"fillfactor": 30},  # rows that are written every second find room in their own page
    )
    op.execute(
        "INSERT INTO leases (account, owner, epoch, beat, batch)"
        " SELECT writer, NULLIF(owner, ''), 0, 0, number FROM batches"
    )
    op.drop_table("batches")


def _sum_by_account(table: str) -> None:
    by_account = f"{table}_by_account"
    op.create_table(
        by_account,
        sa.Column("account", TEXT, nullable=False),
        sa.Column("family", TEXT, nullable=False),
        sa.Column("labels", TEXT, nullable=False),
        sa.Column("part", TEXT, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("account", "family", "labels", "part", name=f"{table}_key"),
    )
    if op.get_bind().dialect.name == "sqlite":  # no ledger on PostgreSQL is as old as this
        op.execute(
            f"INSERT INTO {by_account} (account, family, labels, part, value)"  # noqa: S608 - no word comes from outside
            " SELECT CASE WHEN json_valid(labels) THEN COALESCE(json_extract(labels, '$.account'), '') ELSE '' END,"
            f" family, labels, part, value FROM {table} ORDER BY rowid"
        )
    op.drop_table(table)
    op.rename_table(by_account, table)


def _version_registrations() -> None:
    op.add_column("registrations", sa.Column("version", NUMBER, nullable=False, server_default="0"))
    op.add_column("registrations", sa.Column("deleted_at", sa.Float))
    op.create_table(
        "account_versions",
        sa.Column("account", TEXT, primary_key=True),
        sa.Column("version", NUMBER, nullable=False),
    )
