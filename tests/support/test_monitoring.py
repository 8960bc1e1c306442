"""What is sped up is the shipped configuration, but for its pace and its addresses."""

from pathlib import Path
from typing import Any

import yaml

from tests.support.monitoring import (
    ALERTMANAGER_FILE,
    PROMETHEUS_FILE,
    alertmanager_config,
    prometheus_config,
    write_rules,
)

OWN, EXPORTER, ALERTMANAGER = "localhost:9090", "localhost:9877", "localhost:9093"


def prometheus(speed: float) -> dict[str, Any]:
    return prometheus_config(own=OWN, exporters=[EXPORTER], alertmanager=ALERTMANAGER, speed=speed)


def differences(left: Any, right: Any, place: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two trees of the same shape differ."""
    match left, right:
        case dict(), dict():
            assert left.keys() == right.keys(), place
            pairs = [(f"{place}.{key}", left[key], right[key]) for key in left]
        case list(), list():
            assert len(left) == len(right), place
            pairs = [(f"{place}[{number}]", *both) for number, both in enumerate(zip(left, right, strict=True))]
        case _:
            return {} if left == right else {place.lstrip("."): (left, right)}
    return {name: change for pair in pairs for name, change in differences(pair[1], pair[2], pair[0]).items()}


def test_prometheus_differs_in_its_pace_alone() -> None:
    shipped = yaml.safe_load(PROMETHEUS_FILE.read_text())
    assert differences(shipped, prometheus(60)) == {
        "global.scrape_interval": ("15s", "250ms"),
        "global.scrape_timeout": ("10s", "250ms"),
        "global.evaluation_interval": ("15s", "250ms"),
    }


def test_each_exporter_is_a_target() -> None:
    config = prometheus_config(own="a:1", exporters=["b:2", "c:3"], alertmanager="d:4", speed=1)
    targets = [static["targets"] for job in config["scrape_configs"] for static in job["static_configs"]]
    assert targets == [["b:2", "c:3"], ["a:1"]]
    assert config["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["d:4"]}]


def test_alertmanager_differs_in_its_pace_and_its_receivers_alone() -> None:
    shipped = yaml.safe_load(ALERTMANAGER_FILE.read_text())
    changed = differences(shipped, alertmanager_config(webhook="http://hook", speed=60))
    urls = {name: new for name, (_, new) in changed.items() if name.endswith(".url")}
    assert set(urls.values()) == {f"http://hook/{receiver['name']}" for receiver in shipped["receivers"]}
    assert {name: change for name, change in changed.items() if name not in urls} == {
        "global.resolve_timeout": ("5m", "5s"),
        "route.group_wait": ("30s", "500ms"),
        "route.group_interval": ("5m", "5s"),
        "route.repeat_interval": ("12h", "12m"),
        "route.routes[0].group_interval": ("1m", "1s"),
        "route.routes[0].repeat_interval": ("5m", "5s"),
        "route.routes[1].group_interval": ("1m", "1s"),
        "route.routes[1].repeat_interval": ("1h", "1m"),
        "route.routes[3].repeat_interval": ("24h", "24m"),
    }


def test_the_rules_at_the_usual_pace_are_the_shipped_ones(tmp_path: Path) -> None:
    write_rules(tmp_path / "rules", speed=1)
    for path in (PROMETHEUS_FILE.parent / "rules").iterdir():
        assert yaml.safe_load((tmp_path / "rules" / path.name).read_text()) == yaml.safe_load(path.read_text())
