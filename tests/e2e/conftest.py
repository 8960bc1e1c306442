from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.upstream import Upstream
from tests.support.processes import start_simulator


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    """A simulator in a process of its own."""
    with start_simulator(tmp_path, "--seed", "11") as simulator, closing(Upstream(simulator.url)) as upstream:
        yield upstream
