"""A ledger of its own for each test: in a file that is not there before, and once more in a database of a real server.

Whoever asks for the ``path`` of the file is about SQLite alone, and whoever asks for ``postgres`` about that.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.ledger.opening import ledger_at
from exporter.ledger.store import StoredLedger
from tests.ledger.places import File, OnServer, Place, opened
from tests.support.postgres import Postgres, running_postgres


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        alone = {"path": "sqlite", "postgres": "postgresql"}
        kinds = [kind for name, kind in alone.items() if name in metafunc.fixturenames] or list(alone.values())
        metafunc.parametrize("place", kinds, indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a worker; each has a database of its own there."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """A database with all tables, to be copied."""
    name = postgres.create_database()
    ledger = ledger_at(postgres.url(name))
    ledger.open()
    ledger.close()
    return name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.db"


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return File(tmp_path / "data" / "ledger.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return OnServer(postgres, postgres.create_database(template=request.getfixturevalue("template")))


@pytest.fixture
def ledger(place: Place) -> Iterator[StoredLedger]:
    ledger = opened(place)
    yield ledger
    ledger.close()
