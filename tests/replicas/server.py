"""A real PostgreSQL and a PgBouncer in front of it, on Unix sockets in a folder of their own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

DEADLINE = 60.0

TABLES = """\
CREATE TABLE replicas (id text PRIMARY KEY, url text NOT NULL, beat bigint NOT NULL);
CREATE TABLE leases (account text PRIMARY KEY, owner text, epoch bigint NOT NULL, beat bigint NOT NULL,
  batch bigint NOT NULL) WITH (fillfactor = 30);
"""

POOLER = """\
[databases]
* = host={folder} user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 2
logfile = {folder}/pooler.log
"""


def program(name: str) -> str:
    """The path of a program that Debian keeps on nobody's path; without it the test is skipped."""
    found = [*sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), shutil.which(name)]
    if found[0] is None:
        pytest.skip(f"{name} is not installed")
    return found[0]


@dataclass(frozen=True, slots=True)
class Server:
    """Both, by the port in the name of the socket."""

    folder: Path

    def connect(self, *, pooled: bool = False) -> psycopg.Connection:
        port = 6432 if pooled else 5432
        return psycopg.connect(host=str(self.folder), port=port, user="postgres", dbname="postgres", autocommit=True)

    def engine(self, *, pooled: bool = False) -> Engine:
        query = {"host": str(self.folder), "port": 6432 if pooled else 5432, "target_session_attrs": "read-write"}
        return create_engine(
            "postgresql+psycopg://postgres@/postgres",
            poolclass=NullPool,
            connect_args={**query, "prepare_threshold": None},
        )

    def answers(self, *, pooled: bool) -> bool:
        try:
            self.connect(pooled=pooled).close()
        except psycopg.OperationalError:
            return False
        return True


def engine_at(url: str) -> Engine:
    """What makes connections for leases alone, to the server of a libpq URL."""
    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url, prepare_threshold=None), poolclass=NullPool
    )


@contextmanager
def running() -> Iterator[Server]:
    """Both, with the tables; gone afterwards."""
    postgres, pooler = program("postgres"), program("pgbouncer")
    with tempfile.TemporaryDirectory(prefix="leases-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        shutil.chown(folder, "postgres", "postgres") if os.geteuid() == 0 else None
        data, ini = folder / "data", folder / "pooler.ini"
        command = [
            program("initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-locale",
            "-E",
            "UTF8",
            "-N",
        ]
        subprocess.run(command, check=True, cwd="/", capture_output=True, **_user())
        ini.write_text(POOLER.format(folder=folder))
        options = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off")
        server = Server(folder)
        children = [_start(folder, [postgres, "-D", str(data), *(f"-c{option}" for option in options)])]
        try:
            _wait(server, pooled=False)
            children.append(_start(folder, [pooler, str(ini)]))
            _wait(server, pooled=True)
            with server.connect() as connection:
                connection.execute(TABLES)
            yield server
        finally:
            for child, at_once in reversed(list(zip(children, (signal.SIGQUIT, signal.SIGTERM), strict=False))):
                child.send_signal(at_once)
                child.wait(DEADLINE)


def _start(folder: Path, command: list[str]) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True, **_user())


def _user() -> dict[str, Any]:
    """The servers refuse to be root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _wait(server: Server, *, pooled: bool) -> None:
    by = time.monotonic() + DEADLINE
    while not server.answers(pooled=pooled):
        assert time.monotonic() < by, (server.folder / "log").read_text()
        time.sleep(0.05)
