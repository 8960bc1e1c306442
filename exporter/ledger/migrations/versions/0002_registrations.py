"""Tasks that were registered over HTTP."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create registrations."""
    op.create_table(
        "registrations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("group_name", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("task_id", sa.String),
        sa.Column("out_task_id", sa.String),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("labels", sa.String, nullable=False),
        sa.Column("submitted_at", sa.Float),
        sa.Column("registered_at", sa.Float, nullable=False),
        sa.UniqueConstraint("group_name", "account", "key", name="registrations_key"),
    )
