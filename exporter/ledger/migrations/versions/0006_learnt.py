"""What the adaptive cadence has learnt of durations."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create learnt."""
    op.create_table(
        "learnt",
        sa.Column("account", sa.String, nullable=False),
        sa.Column("group_name", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("kept_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("account", "group_name", "model"),
    )
