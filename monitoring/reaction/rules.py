"""The shipped rules, as promtool is to load them."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

RULES: Final = Path(__file__).parents[2] / "config" / "prometheus" / "rules"
FILES: Final = ("recording.yml", "alerts.yml")

ALWAYS: Final = "ByteSpikeWatchdog"
"""The one alert that is no reaction to anything."""

Groups = list[dict[str, Any]]


def shipped() -> Groups:
    """All groups, in the order in which they build on each other."""
    return [group for file in FILES for group in yaml.safe_load((RULES / file).read_text(encoding="utf-8"))["groups"]]


def needed(groups: Groups, alerts: Collection[str]) -> Groups:
    """Of the groups these alerts, and what is recorded for them: promtool evaluates all there is, each minute."""
    records = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}
    wanted = [rule for group in groups for rule in group["rules"] if rule.get("alert") in alerts]
    names = set().union(*(_recorded(rule["expr"], records) for rule in wanted))
    kept = [
        {**group, "rules": [rule for rule in group["rules"] if rule in wanted or rule.get("record") in names]}
        for group in groups
    ]
    return [group for group in kept if group["rules"]]


def read(groups: Groups) -> frozenset[str]:
    """The exporter's metrics, Prometheus' own among them, that these rules read."""
    text = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    return frozenset(re.findall(r"(?<![\w:])(?:bytespike_\w+|process_\w+|up)\b(?!:)", text))


def digest(groups: Groups) -> str:
    """What a measurement depends on, and nothing of what only words it."""
    parts = [
        [rule.get(name) for name in ("record", "alert", "expr", "for", "keep_firing_for")]
        for group in groups
        for rule in group["rules"]
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _recorded(expr: str, records: Mapping[str, str]) -> set[str]:
    """The names of all recording rules behind an expression."""
    direct = {name for name in re.findall(r"\w+:\w+:\w+", expr) if name in records}
    return direct.union(*(_recorded(records[name], records) for name in direct))
