"""Tasks that were registered over HTTP."""

import sqlalchemy as sa
from alembic import op

from exporter.ledger.columns import NUMBER, TEXT

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create registrations."""
    op.create_table(
        "registrations",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("group_name", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("task_id", TEXT),
        sa.Column("out_task_id", TEXT),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("labels", TEXT, nullable=False),
        sa.Column("submitted_at", sa.Float),
        sa.Column("registered_at", sa.Float, nullable=False),
        sa.UniqueConstraint("group_name", "account", "key", name="registrations_key"),
    )
