"""Runs the real promtool on rules and made-up series."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus as quote

import yaml

from monitoring import alerting
from monitoring.rule import Alert
from tests.rules.case import Clears, Fires, Quiet
from tests.rules.series import Series
from tests.support.servers import INSTALLED, Servers

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config" / "prometheus" / "rules"

ALERTS = {alert.name: alert for alert in alerting.alerts()}


def run(*arguments: str | Path, servers: Servers = INSTALLED) -> "subprocess.CompletedProcess[str]":
    """promtool with its output as text."""
    command = [servers.need("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rules() -> list[dict[str, Any]]:
    """The shipped groups, in the order in which they build on each other."""
    files = (RULES / "recording.yml", RULES / "alerts.yml")
    return [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]


def needed(alert: str) -> list[dict[str, Any]]:
    """Of the shipped rules one alert, and what is recorded for it: promtool evaluates all there is, each minute."""
    groups = rules()
    records = {rule["record"]: rule for group in groups for rule in group["rules"] if "record" in rule}
    (wanted,) = (rule for group in groups for rule in group["rules"] if rule.get("alert") == alert)
    names = _recorded(wanted["expr"], records)
    kept = [
        {**group, "rules": [rule for rule in group["rules"] if rule is wanted or rule.get("record") in names]}
        for group in groups
    ]
    return [group for group in kept if group["rules"]]


def _recorded(expr: str, records: Mapping[str, Mapping[str, str]]) -> set[str]:
    """The names of all recording rules behind an expression."""
    direct = {name for name in re.findall(r"\w+:\w+:\w+", expr) if name in records}
    return direct.union(*(_recorded(records[name]["expr"], records) for name in direct))


def check(
    directory: Path,
    groups: Sequence[Mapping[str, Any]],
    tests: Sequence[Mapping[str, Any]],
    *,
    servers: Servers = INSTALLED,
    evaluated: str = "1m",
) -> None:
    """Let promtool run tests of rules, evaluated so often; what it finds wrong is an AssertionError."""
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": groups}, sort_keys=False))
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": evaluated,
        "group_eval_order": [group["name"] for group in groups],
        "tests": tests,
    }
    file = directory / "test.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    done = run("test", "rules", file, servers=servers)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)


def fires(alert: str, case: Fires, *, named: str = "") -> dict[str, Any]:
    """Quiet one minute before, then exactly one alert. ``named`` is what the rule is called, if not by its own name."""
    rule, name = ALERTS[alert], named or alert
    expected = {
        "exp_labels": {"severity": str(rule.severity), **case.labels},
        "exp_annotations": {**_told(rule, case.labels), "description": case.description},
    }
    before = {"eval_time": f"{case.at - 1}m", "alertname": name}
    read = {"eval_time": f"{case.read or case.at}m", "alertname": name, "exp_alerts": [expected]}
    firing = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
    then = {"expr": firing, "eval_time": f"{case.at}m", "exp_samples": [{"labels": "{}", "value": 1}]}
    return {**_input(case.series), "alert_rule_test": [before, read], "promql_expr_test": [then]}


def quiet(alert: str, case: Quiet, *, named: str = "") -> dict[str, Any]:
    """Never firing, at no minute."""
    ever = f'count_over_time(ALERTS{{alertname="{named or alert}", alertstate="firing"}}[{case.minutes + 1}m])'
    return {
        **_input(case.series),
        "promql_expr_test": [{"expr": ever, "eval_time": f"{case.minutes}m", "exp_samples": []}],
    }


def clears(alert: str, case: Clears, *, named: str = "") -> dict[str, Any]:
    """Firing, and later not."""
    firing = f'count(ALERTS{{alertname="{named or alert}", alertstate="firing"}})'
    tests = [
        {"expr": firing, "eval_time": f"{case.firing}m", "exp_samples": [{"labels": "{}", "value": 1}]},
        {"expr": firing, "eval_time": f"{case.over}m", "exp_samples": []},
    ]
    return {**_input(case.series), "promql_expr_test": tests}


def _told(rule: Alert, labels: Mapping[str, str]) -> dict[str, str]:
    """Its texts with the labels filled in where they need no value."""
    texts = dict(rule.annotations())
    for label, value in labels.items():
        texts["dashboard_url"] = texts["dashboard_url"].replace(f"{{{{ $labels.{label} | urlquery }}}}", quote(value))
    return texts


def _input(series: Series) -> dict[str, Any]:
    return {"interval": "1m", "input_series": [{"series": name, "values": text} for name, text in series.items()]}
