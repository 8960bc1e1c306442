import pytest

from tests.support.servers import PARAMETERS, Servers


@pytest.fixture(params=PARAMETERS, ids=str)
def servers(request: pytest.FixtureRequest) -> Servers:
    """Each version that there is."""
    servers: Servers = request.param
    return servers
