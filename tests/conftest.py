import os

import pytest
from hypothesis import HealthCheck, settings

# A shared machine may be slow at any moment: time is no fault. What CI has seen fail must fail again.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=os.environ.get("CI") == "true"
)
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no worker is left with it in the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
