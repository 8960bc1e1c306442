"""Tasks that no answer has told of are unobserved; who was followed, and which codes were shown, is noted as such."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename a status; take the tasks that an answer has told of for counted, and the series for shown."""
    op.execute("UPDATE open_tasks SET status = 'unobserved' WHERE status = 'unknown' AND observed_at IS NULL")
    op.add_column("open_tasks", sa.Column("is_followed", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute("UPDATE open_tasks SET is_followed = observed_at IS NOT NULL")
    op.execute(
        "INSERT INTO totals (family, labels, part, value)"
        " SELECT family, labels, 'shown', 1 FROM totals WHERE family = 'bytespike_tasks_failed_total' AND part = ''"
    )
