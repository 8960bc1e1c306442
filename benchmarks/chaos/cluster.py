"""The database of all replicas, with whatever may happen to it; they find it in one folder, whoever serves there."""

import os
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import PORT, Postgres, running_postgres
from tests.support.small_disk import small_disk

DATABASE = "ledger_of_all"
DISK = "96m"
OPTIONS = ("fsync=off",)
"""A crash of the machine is not tried."""

STANDBY_SECONDS = 30.0

NEWER = (
    "UPDATE alembic_version SET version_num = '9999'",
    "ALTER TABLE outcomes ADD COLUMN IF NOT EXISTS of_a_newer_version TEXT",
    "ALTER TABLE open_tasks ADD COLUMN IF NOT EXISTS of_a_newer_version TEXT",
)
"""What the first replica of a newer version does while those of the older ones are at work."""


class Cluster:
    """A primary, and a standby while it fails over; the ledger is on a small disk where one can be mounted."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._folder = Path(stack.enter_context(TemporaryDirectory(prefix="cluster-")))
        self._folder.chmod(0o755)
        self._disk = stack.enter_context(small_disk(DISK))
        self._primary = stack.enter_context(running_postgres(OPTIONS))
        self._servers = 0
        self._is_full = False
        self._space = self._new_space()
        self._point_to(self._primary)
        self._create()
        self._pooler = Path(stack.enter_context(running_pgbouncer(self._current)))

    @property
    def url(self) -> str:
        """The ledger, past everything that disturbs."""
        return self._primary.url(DATABASE)

    @property
    def socket(self) -> Path:
        """Where the server is reached, whichever that is."""
        return self._current / f".s.PGSQL.{PORT}"

    @property
    def pooled_socket(self) -> Path:
        """Where PgBouncer is reached."""
        return self._pooler / f".s.PGSQL.{PORT}"

    @property
    def can_be_full(self) -> bool:
        """Whether there is a disk that can be filled."""
        return self._disk is not None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in the ledger."""
        return self._primary.rows(query, DATABASE)

    # ---- what happens to it ------------------------------------------------------------------------------------------

    def end_sessions(self) -> None:
        """Every session of the ledger, as its administrator may."""
        self._primary.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'")

    def restart(self) -> None:
        """As after a crash of the server."""
        self._primary.stop(immediately=True)
        self._primary.start()

    def fill(self) -> None:
        """Leave no room for the ledger's tables."""
        if self._disk is not None:
            self._disk.fill()
            self._is_full = True

    def clear(self) -> None:
        """Give the room back."""
        if self._disk is not None:
            self._disk.clear()
            self._is_full = False

    def upgrade(self) -> bool:
        """Change the tables as a newer version does; false where the server lets nobody do so now."""
        try:
            with psycopg.connect(self.url) as connection:
                connection.execute("SET LOCAL lock_timeout = 2000")
                for statement in NEWER:
                    connection.execute(statement)
        except psycopg.Error:
            return False
        return True

    def fail_over(self) -> bool:
        """Lose the primary; its synchronous standby answers instead, without taking writes. Whether it came to that."""
        if self._is_full or self._is_standby():
            return False
        space = self._new_space()
        moved = {self._space: space} if self._space and space else {}
        standby = self._stack.enter_context(running_postgres(OPTIONS, primary=self._primary, moved=moved))
        self._primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._primary.rows("SELECT pg_reload_conf()")
        self._until("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'")
        self._primary.stop(immediately=True)
        if self._space:
            shutil.rmtree(self._space)
        self._primary, self._space = standby, space
        self._point_to(standby)
        return True

    def promote(self) -> None:
        """Let the standby take writes."""
        self._primary.rows("SELECT pg_promote()")

    def _is_standby(self) -> bool:
        return bool(self._primary.rows("SELECT 1 WHERE pg_is_in_recovery()"))

    def _until(self, query: str) -> None:
        deadline = time.monotonic() + STANDBY_SECONDS
        while not self._primary.rows(query):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {STANDBY_SECONDS:.0f} s: {query}")
            time.sleep(0.05)

    # ---- where it is -------------------------------------------------------------------------------------------------

    @property
    def _current(self) -> Path:
        return self._folder / "current"

    def _point_to(self, server: Postgres) -> None:
        (self._folder / "next").symlink_to(server.folder)
        (self._folder / "next").replace(self._current)

    def _new_space(self) -> Path | None:
        """A folder on the small disk that no server had before."""
        if self._disk is None:
            return None
        self._servers += 1
        space = self._disk.folder / f"server-{self._servers}"
        space.mkdir()
        if os.geteuid() == 0:
            shutil.chown(space, "postgres", "postgres")
        return space

    def _create(self) -> None:
        kept_in = ""
        if self._space is not None:
            self._primary.run(f"CREATE TABLESPACE small LOCATION '{self._space}'")
            kept_in = " TABLESPACE small"
        self._primary.run(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'{kept_in}")
