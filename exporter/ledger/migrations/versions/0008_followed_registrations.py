"""What replicas need to follow each other's registrations; where they share a ledger, nobody has it alone any more."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """An index for what has changed; and on a server, no version that would take every account's lease in one."""
    has_some = sa.text("version > 0")  # a file has none
    op.create_index("registrations_version", "registrations", ["account", "version"], sqlite_where=has_some)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("UPDATE formats SET min_reader = '0008'")
