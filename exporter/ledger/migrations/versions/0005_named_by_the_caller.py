"""Tasks that their caller did not name stand in no index of such names: an outcome of theirs costs that much less."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make both indexes of out_task_id anew, of the rows that have one."""
    named = sa.text("out_task_id IS NOT NULL")
    for table in ("outcomes", "open_tasks"):
        name = f"{table}_out_task_id"
        op.drop_index(name, table)
        op.create_index(name, table, ["account", "out_task_id"], sqlite_where=named, postgresql_where=named)
