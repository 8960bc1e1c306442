from collections.abc import Iterator

import pytest

from tests.replicas.server import Server, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL behind a PgBouncer, the same for all tests of a worker: each has accounts of its own."""
    with running() as found:
        yield found
