"""The first tables."""

import sqlalchemy as sa
from alembic import op

from exporter.ledger.columns import NUMBER, TEXT

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create open_tasks, outcomes and totals."""
    op.create_table(
        "open_tasks",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("task_id", TEXT),
        sa.Column("out_task_id", TEXT),
        sa.Column("first_seen_at", sa.Float, nullable=False),
        sa.Column("submitted_at", sa.Float, nullable=False),
        sa.Column("submission", sa.Integer, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("observed_at", sa.Float),
        sa.Column("open_at", sa.Float),
        sa.Column("running_at", sa.Float),
        sa.Column("eta_seconds", sa.Float),
        sa.Column("credits_estimated", sa.Float),
        sa.Column("saved_at", sa.Float, nullable=False),
    )
    op.create_index("open_tasks_task_id", "open_tasks", ["account", "task_id"])
    op.create_index("open_tasks_out_task_id", "open_tasks", ["account", "out_task_id"])
    op.create_table(
        "outcomes",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("task_id", TEXT),
        sa.Column("out_task_id", TEXT),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("first_seen_at", sa.Float, nullable=False),
        sa.Column("submitted_at", sa.Float, nullable=False),
        sa.Column("submission", sa.Integer, nullable=False),
        sa.Column("finished_at", sa.Float, nullable=False),
        sa.Column("duration", sa.Float),
        sa.Column("eta_seconds", sa.Float),
        sa.Column("credits_estimated", sa.Float),
        sa.Column("credits_used", sa.Float),
        sa.Column("error_code", TEXT),
        sa.UniqueConstraint("account", "task_id", name="outcomes_task_id"),
    )
    op.create_index("outcomes_out_task_id", "outcomes", ["account", "out_task_id"])
    op.create_index("outcomes_finished_at", "outcomes", ["finished_at"])
    op.create_table(
        "totals",
        sa.Column("family", TEXT, nullable=False),
        sa.Column("labels", TEXT, nullable=False),
        sa.Column("part", TEXT, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("family", "labels", "part"),
    )
