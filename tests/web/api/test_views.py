"""Times as the API writes them."""

import pytest

from exporter.web.api.views import moment


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_780_000_000.25, "2026-05-28T20:26:40.250Z"),
        (-1e12, None),
        (1e18, None),
    ],
)
def test_a_moment(at: float | None, written: str | None) -> None:
    assert moment(at) == written
