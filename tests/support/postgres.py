"""A real PostgreSQL for tests: in a folder of its own, on a Unix socket there, ended by its own id."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest

USER = "exporter"
PORT = 5432
"""The number in the socket's name; nothing listens on a port."""

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each version, which are on nobody's path."""

START_SECONDS = 60.0

QUICKLY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
"""What tests do that outlive no crash of the machine."""

_numbers = count()


def need_program(name: str) -> str:
    """The path of one of PostgreSQL's programs. Without it a test is skipped, and fails in CI."""
    found = [str(path) for path in sorted(DEBIAN.glob(f"*/bin/{name}"))]
    path = found[-1] if found else shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} of PostgreSQL is not installed (apt-get install postgresql)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def as_nobody_special() -> dict[str, Any]:
    """What makes a child run as another user where this is root, which the servers refuse to be."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass
class Postgres:
    """One server. ``options`` are settings of its configuration, ``NAME=VALUE``."""

    folder: Path
    options: Sequence[str] = QUICKLY
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def url(self, database: str = "postgres", **parameters: str) -> str:
        """Where one of its databases is reached."""
        asked = "&".join(f"{name}={value}" for name, value in {"host": self.folder, **parameters}.items())
        return f"postgresql://{USER}@/{database}?{asked}"

    def initialise(self) -> None:
        """Make its files."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        command = [need_program("initdb"), "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8"]
        subprocess.run([*command, "--no-locale", "-N"], check=True, cwd="/", capture_output=True, **as_nobody_special())

    def copy(self, primary: "Postgres", *, moved: Mapping[Path, Path]) -> None:
        """Make its files by copying those of a server that runs, which it follows from then on.

        ``moved`` names for each folder of a tablespace the one that it has here.
        """
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        from_there = ("-h", str(primary.folder), "-p", str(PORT), "-U", USER)
        mapped = [f"--tablespace-mapping={old}={new}" for old, new in moved.items()]
        command = [need_program("pg_basebackup"), "-D", str(self.data), *from_there, *mapped, "-R", "-c", "fast"]
        subprocess.run(command, check=True, cwd="/", capture_output=True, **as_nobody_special())

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = ("listen_addresses=", f"unix_socket_directories={self.folder}", f"port={PORT}", *self.options)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [need_program("postgres"), "-D", str(self.data), *(f"-c{each}" for each in settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **as_nobody_special(),
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            log_text = (self.folder / "log").read_text()
            assert self._process.poll() is None, log_text
            assert time.monotonic() < deadline, log_text
            time.sleep(0.05)

    def stop(self, *, immediately: bool = False) -> None:
        """Stop it: at the next instant as in a crash, or once its sessions were told."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(3 if immediately else 2)  # SIGQUIT, SIGINT
            self._process.wait(60)

    def run(self, statement: str, *values: object, database: str = "postgres") -> int:
        """Run a statement in a transaction of its own; how many rows it wrote or found."""
        with closing(psycopg.connect(self.url(database), autocommit=True)) as connection:
            return connection.execute(statement, values or None).rowcount

    def rows(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What a query finds."""
        with closing(psycopg.connect(self.url(database), autocommit=True)) as connection:
            return connection.execute(query).fetchall()

    def create_database(self, *, template: str = "template0", encoding: str = "UTF8") -> str:
        """A new database; its name."""
        name = f"ledger_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING '{encoding}'")
        return name

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running_postgres(
    options: Sequence[str] = QUICKLY,
    *,
    primary: Postgres | None = None,
    moved: Mapping[Path, Path] = MappingProxyType({}),
) -> Iterator[Postgres]:
    """A server, which is gone afterwards. Its folder lies where every user of the machine may come.

    With a ``primary`` it is a standby of that one, until it is promoted; see ``Postgres.copy`` for ``moved``.
    """
    need_program("postgres")
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder), options)
        if primary is None:
            server.initialise()
        else:
            server.copy(primary, moved=moved)
        server.start()
        try:
            yield server
        finally:
            server.stop(immediately=True)
