"""A simulator on a clock that stands still, and an HTTP client that talks to it in process."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from exporter.simulator.app import create_app
from exporter.simulator.simulator import Simulator
from tests.simulator.manual import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def simulator(clock: ManualClock) -> Simulator:
    return Simulator(clock=clock)


@pytest.fixture
def client_of() -> Callable[..., httpx.AsyncClient]:
    """A client of a simulator, with the key of the account ``demo`` unless other headers are given."""

    def make(simulator: Simulator, headers: dict[str, str] | None = None, **transport: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(simulator), **transport),
            base_url="http://simulator",
            headers={"x-api-key": "sk-byts-demo"} if headers is None else headers,
        )

    return make


@pytest.fixture
def client(simulator: Simulator, client_of: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    return client_of(simulator)
