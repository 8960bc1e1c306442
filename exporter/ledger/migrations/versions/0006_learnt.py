"""What the adaptive cadence has learnt of durations."""

import sqlalchemy as sa
from alembic import op

from exporter.ledger.columns import TEXT

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create learnt."""
    op.create_table(
        "learnt",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("group_name", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("kept_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("account", "group_name", "model"),
    )
