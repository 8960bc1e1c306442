import signal
from collections.abc import Iterator

import pytest

from tests.e2e.alerting.plan import ACCOUNTS
from tests.e2e.alerting.play import play
from tests.e2e.alerting.stack import running
from tests.e2e.alerting.story import Story
from tests.support.servers import Servers, chosen


@pytest.fixture(scope="session", params=[chosen()], ids=str)
def servers(request: pytest.FixtureRequest) -> Servers:
    """The versions that this run is of; the environment chooses them."""
    servers: Servers = request.param
    return servers


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Iterator[Story]:
    """What happened, once for all tests; the servers still run, to be asked about it."""
    # whoever ends the run, by a time limit for instance, ends the servers with it
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(tmp_path_factory.mktemp("alerting"), ACCOUNTS, servers=servers) as stack:
        yield play(stack)
    signal.signal(signal.SIGTERM, before)
