"""Numbered batches; meters apart from the totals of tasks; when each row was last looked at."""

import sqlalchemy as sa
from alembic import op

from exporter.ledger.columns import NUMBER, TEXT

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create batches and meters, move the meters, and date the rows."""
    op.create_table(
        "batches",
        sa.Column("writer", TEXT, primary_key=True),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("number", NUMBER, nullable=False),
    )
    op.execute("INSERT INTO batches (writer, owner, number) VALUES ('', '', 0)")
    _move_meters()
    _date_rows()


def _move_meters() -> None:
    op.create_table(
        "meters",
        sa.Column("family", TEXT, nullable=False),
        sa.Column("labels", TEXT, nullable=False),
        sa.Column("part", TEXT, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("family", "labels", "part"),
    )
    # what the exporter counts of itself, which is all but the observation gap: that is counted with outcomes
    own = (  # no word of it comes from outside
        r"(family LIKE 'bytespike\_api\_%' ESCAPE '\' OR family LIKE 'bytespike\_exporter\_%' ESCAPE '\')"
        " AND family <> 'bytespike_exporter_observation_gap_seconds'"
    )
    op.execute(
        "INSERT INTO meters (family, labels, part, value)"  # noqa: S608 - likewise
        " SELECT family,"
        " CASE WHEN family = 'bytespike_exporter_label_values_overflowed_total' AND labels = '{}'"
        ' THEN \'{"limit":"label_values"}\' ELSE labels END,'
        f" part, value FROM totals WHERE {own}"
    )
    op.execute(f"DELETE FROM totals WHERE {own}")  # noqa: S608 - likewise


def _date_rows() -> None:
    op.add_column("outcomes", sa.Column("looked_at", sa.Float, nullable=False, server_default="0"))
    op.execute("UPDATE outcomes SET looked_at = finished_at")
    op.execute("ALTER TABLE open_tasks RENAME COLUMN saved_at TO looked_at")
    for table in ("outcomes", "open_tasks"):
        op.add_column(table, sa.Column("is_named", sa.Boolean, nullable=False, server_default=sa.true()))
        op.create_index(f"{table}_looked_at", table, ["account", "looked_at"])
    op.drop_index("outcomes_finished_at", "outcomes")
