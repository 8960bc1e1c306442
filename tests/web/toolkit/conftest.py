from pathlib import Path

import pytest

from tests.support import toolkit


@pytest.fixture(scope="session")
def examples() -> Path:
    """The toolkit's own web configurations, certificates and keys."""
    return toolkit.examples()


@pytest.fixture(scope="session")
def go_exporter() -> Path:
    """A Go exporter, built on the toolkit."""
    return toolkit.build()
