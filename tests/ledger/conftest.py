"""A ledger of its own for each test, in a folder that is not there before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.ledger.store import SqliteLedger
from tests.ledger.test_store import opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    ledger = opened(path)
    yield ledger
    ledger.close()
