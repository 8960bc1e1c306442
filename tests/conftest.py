import gc
import inspect
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.certificates import Certificate

# A shared machine may be slow at any moment: time is no fault. What CI has seen fail must fail again.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=os.environ.get("CI") == "true"
)
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no worker is left with it in the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each client and each process of a test would read 150 certificates of authorities that no test meets."""
    authority = Certificate.make(tmp_path_factory.mktemp("authority"), "authority")
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("SSL_CERT_FILE", str(authority.cert))
        yield


@pytest.fixture(scope="module", autouse=True)
def what_stands_is_looked_at_no_more() -> None:
    """Ten thousand tests are a million objects, and each collection of garbage would walk over all of them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_garbage(request: pytest.FixtureRequest) -> Iterator[None]:
    """A socket that a test leaves open is told of as its own fault, not as that of whichever test comes later."""
    yield
    if inspect.iscoroutinefunction(request.function):
        gc.collect()
