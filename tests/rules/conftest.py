import pytest

from tests.support.servers import EACH, Servers


@pytest.fixture(params=EACH, ids=str)
def servers(request: pytest.FixtureRequest) -> Servers:
    """Each version that there is."""
    servers: Servers = request.param
    return servers
