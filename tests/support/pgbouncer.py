"""A real PgBouncer before a test's PostgreSQL, in transaction mode: a session is handed on after each transaction."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.postgres import PORT, START_SECONDS, USER, as_nobody_special
from tests.support.tools import need_tool


@contextmanager
def running_pgbouncer(upstream: Path) -> Iterator[str]:
    """The folder of its socket; ``upstream`` is that of the server's."""
    program = need_tool("pgbouncer")
    with tempfile.TemporaryDirectory(prefix="pgbouncer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "users").write_text(f'"{USER}" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={upstream} port={PORT}\n"
            f"[pgbouncer]\nlisten_port = {PORT}\nlisten_addr =\nunix_socket_dir = {folder}\n"
            f"auth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 2\n"
        )
        if os.geteuid() == 0:
            for each in (folder, *folder.iterdir()):
                shutil.chown(each, "postgres", "postgres")
        with (folder / "log").open("wb") as log:
            bouncer = subprocess.Popen(
                [program, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, cwd="/", **as_nobody_special()
            )
        try:
            _wait(bouncer, f"postgresql://{USER}@/postgres?host={folder}", folder / "log")
            yield name
        finally:
            bouncer.terminate()
            bouncer.wait(30)


def _wait(bouncer: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert bouncer.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return
