"""Scenarios as the command line takes them."""

import pytest

from exporter.simulator.planned import Planned, parse_scenario


@pytest.mark.parametrize(
    ("text", "planned"),
    [
        ("outage", Planned("outage")),
        ("outage@30s", Planned("outage", 30.0)),
        ("outage@30s+1m", Planned("outage", 30.0, 60.0)),
        ("outage@+1m", Planned("outage", 0.0, 60.0)),
        ("garbage@0+2m,ratio=0.5,kind=html", Planned("garbage", 0.0, 120.0, {"ratio": "0.5", "kind": "html"})),
    ],
)
def test_scenarios(text: str, planned: Planned) -> None:
    assert parse_scenario(text) == planned


@pytest.mark.parametrize("text", ["", "@1s", "outage,ratio", "outage@soon", "outage@1s+x"])
def test_what_is_no_scenario(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected NAME@START|is not a duration"):
        parse_scenario(text)
