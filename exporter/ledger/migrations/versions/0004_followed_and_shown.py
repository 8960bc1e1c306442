"""Tasks that no answer has told of are unobserved; the error codes that were shown are marked as such."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename a status, and mark the series that scrapes have seen with what they count."""
    op.execute("UPDATE open_tasks SET status = 'unobserved' WHERE status = 'unknown' AND observed_at IS NULL")
    op.execute(
        "INSERT INTO totals (family, labels, part, value)"
        " SELECT family, labels, 'shown', 1 FROM totals WHERE family = 'bytespike_tasks_failed_total' AND part = ''"
    )
