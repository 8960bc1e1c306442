"""Who is told of which alert, asked of the real amtool; and that inhibitions name alerts that exist."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from monitoring.alerting import alerts
from monitoring.rule import Alert
from tests.rules.cases.table import CASES
from tests.rules.promtool import ROOT
from tests.support.servers import Servers

FILE = ROOT / "config" / "alertmanager.yml"
CONFIG: dict[str, Any] = yaml.safe_load(FILE.read_text())
NAMES = {alert.name for alert in alerts()}

RECEIVERS = {"critical": "page", "warning": "ticket", "info": "notice"}

LABELS = {case.alert: {"alertname": case.alert, **case.fires.labels} for case in CASES}


NOT_SEEN = {
    f"ByteSpike{name}"
    for name in (
        *("NothingFinishing", "TasksOverdue", "TaskStuck", "QueueTimeGrowing", "ETAOff"),
        *("PollingStalled", "PollingLagging"),
        *("FailureSpike", "ErrorCodeSpike", "SuccessBudgetBurningSlowly", "NothingSucceeds", "TasksNotFound"),
    )
}
"""What is said of tasks that cannot be asked about, or is left from before."""


def amtool(servers: Servers, *arguments: str) -> str:
    command = [servers.need("amtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_amtool_finds_no_fault(servers: Servers) -> None:
    assert "SUCCESS" in amtool(servers, "check-config", str(FILE))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_the_severity_decides_who_is_told(servers: Servers, alert: Alert) -> None:
    receiver = "watchdog" if alert.name == "ByteSpikeWatchdog" else RECEIVERS[alert.severity]
    labels = {"alertname": alert.name, "severity": str(alert.severity), "account": "default"}
    pairs = [f"{name}={value}" for name, value in labels.items()]
    amtool(servers, "config", "routes", "test", f"--config.file={FILE}", f"--verify.receivers={receiver}", *pairs)


def test_what_no_route_knows_goes_to_the_default(servers: Servers) -> None:
    labels = ("alertname=Other", "severity=odd")
    assert amtool(servers, "config", "routes", "test", f"--config.file={FILE}", *labels) == "default"


def test_receivers_are_placeholders_of_this_machine() -> None:
    urls = {hook["url"] for receiver in CONFIG["receivers"] for hook in receiver["webhook_configs"]}
    assert urls == {"http://localhost:9095/alerts"}


def matches(matchers: list[str], labels: dict[str, str]) -> bool:
    """Alertmanager's matchers, for labels that are there."""
    for matcher in matchers:
        found = re.fullmatch(r'(\w+) (=~|!~|!=|=) "(.*)"', matcher)
        assert found, matcher
        label, operator, value = found.groups()
        same = re.fullmatch(value, labels[label]) if "~" in operator else value == labels[label]
        if bool(same) == operator.startswith("!"):
            return False
    return True


def inhibited(source: dict[str, str], target: dict[str, str]) -> bool:
    """Whether an alert with the first labels keeps one with the others back."""
    return any(
        matches(rule["source_matchers"], source)
        and matches(rule["target_matchers"], target)
        and all(source.get(label) == target.get(label) for label in rule["equal"])
        for rule in CONFIG["inhibit_rules"]
    )


@pytest.mark.parametrize(
    ("source", "targets"),
    [
        ("ByteSpikeExporterAbsent", set(LABELS) - {"ByteSpikeExporterAbsent"}),
        (
            "ByteSpikeExporterDown",
            {name for name, labels in LABELS.items() if "instance" in labels} - {"ByteSpikeExporterDown"},
        ),
        ("ByteSpikeAPIKeyRejected", NOT_SEEN | {"ByteSpikeSubmissionsFailing"}),
        ("ByteSpikeAccountSuspended", NOT_SEEN | {"ByteSpikeSubmissionsFailing"}),
        (
            "ByteSpikeUpstreamDown",
            NOT_SEEN | {"ByteSpikeUpstreamSlow", "ByteSpikeSubmissionsFailing", "ByteSpikeProxyUpstreamFailing"},
        ),
        ("ByteSpikeProxyUpstreamFailing", set()),
        ("ByteSpikeLedgerStalled", {"ByteSpikeLedgerFailing", "ByteSpikeDiscoveryFailing"}),
        (
            "ByteSpikeSuccessBudgetBurningFast",
            {
                "ByteSpikeSuccessBudgetBurningSlowly",
                "ByteSpikeFailureSpike",
                "ByteSpikeErrorCodeSpike",
                "ByteSpikeNothingSucceeds",
            },
        ),
        ("ByteSpikeFailureSpike", set()),
        ("ByteSpikeSchemaDrift", set()),
    ],
)
def test_an_alert_keeps_back_what_it_explains(source: str, targets: set[str]) -> None:
    kept_back = {name for name, labels in LABELS.items() if name != source and inhibited(LABELS[source], labels)}
    assert kept_back == targets


ELSEWHERE = {"instance": "another:9877", "account": "another", "group": "another"}


@pytest.mark.parametrize("source", sorted(set(LABELS) - {"ByteSpikeExporterAbsent"}))
def test_an_alert_keeps_nothing_back_that_is_of_another_exporter_and_account(source: str) -> None:
    targets = [
        {**labels, **{name: ELSEWHERE[name] for name in ELSEWHERE.keys() & labels}} for labels in LABELS.values()
    ]
    assert [labels["alertname"] for labels in targets if inhibited(LABELS[source], labels)] == []


@pytest.mark.parametrize("rule", CONFIG["inhibit_rules"], ids=lambda rule: rule["source_matchers"][0])
def test_no_alert_keeps_one_of_another_cluster_back(rule: dict[str, Any]) -> None:
    assert "cluster" in rule["equal"]
    assert "cluster" in CONFIG["route"]["group_by"]


def test_inhibitions_name_alerts_that_exist() -> None:
    patterns = re.findall(r'alertname [!=]~? "([^"]+)"', FILE.read_text())
    for pattern in patterns:
        for part in re.split(r"\|(?![^(]*\))", pattern):
            assert any(re.fullmatch(part, name) for name in NAMES), part
