"""What arrives of a wave, an outage and a neighbour's trouble, from the real Alertmanager with the shipped file."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from monitoring.alerting import alerts
from tests.rules.cases.table import CASES
from tests.support.monitoring import start_alertmanager
from tests.support.servers import Servers
from tests.support.webhook import Told as Notified
from tests.support.webhook import Webhook

SPEED = 20.0
WAIT_SECONDS = 20.0
CALM_SECONDS = 4.0
"""Twice the wait of a group, and a look at every other change: then nothing more comes."""

SEVERITIES = {alert.name: str(alert.severity) for alert in alerts()}
LABELS = {case.alert: dict(case.fires.labels) for case in CASES}

WAVE = ("FailureSpike", "ErrorCodeSpike", "SuccessBudgetBurningFast", "SuccessBudgetBurningSlowly", "NothingSucceeds")

Alert = Mapping[str, str]


def firing(name: str, **labels: str) -> Alert:
    """An alert as Prometheus sends it; those labels that are not given are as in its case."""
    name = f"ByteSpike{name}"
    return {"alertname": name, "severity": SEVERITIES[name], **LABELS[name], **labels}


@contextmanager
def told(servers: Servers, directory: Path) -> Iterator["Told"]:
    with Webhook() as webhook:
        alertmanager = start_alertmanager(directory, webhook=webhook.url, speed=SPEED, servers=servers)
        with alertmanager:
            yield Told(alertmanager.url, webhook)


class Told:
    """Sends alerts, and says which notifications came of them: who was told, and of what at once."""

    def __init__(self, url: str, webhook: Webhook) -> None:
        self._url, self._webhook = url, webhook

    def of(self, *sent: Alert) -> list[tuple[str, frozenset[tuple[str, str]]]]:
        body = [{"labels": dict(alert), "annotations": {}} for alert in sent]
        with httpx.Client(base_url=self._url, trust_env=False) as http:
            http.post("/api/v2/alerts", json=body).raise_for_status()
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._webhook.notifications() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(CALM_SECONDS)
        return [(one[0].receiver, frozenset(map(_said, one))) for one in self._webhook.notifications()]


def _said(alert: Notified) -> tuple[str, str]:
    return alert.name.removeprefix("ByteSpike"), alert.labels.get("account", "")


def receivers(notifications: Sequence[tuple[str, object]]) -> list[str]:
    return sorted(receiver for receiver, _ in notifications)


@pytest.mark.slow
def test_a_wave_over_two_accounts_is_two_pages(servers: Servers, tmp_path: Path) -> None:
    sent = [firing(name, account=account) for name in WAVE for account in ("default", "second")]
    with told(servers, tmp_path) as notifications:
        found = notifications.of(*sent)
    assert len(found) == 2
    assert {*found} == {
        ("page", frozenset({("SuccessBudgetBurningFast", account)})) for account in ("default", "second")
    }


@pytest.mark.slow
def test_a_wave_that_is_no_page_yet_is_two_tickets(servers: Servers, tmp_path: Path) -> None:
    names = ("FailureSpike", "ErrorCodeSpike", "NothingSucceeds")
    sent = [firing(name, account=account) for name in names for account in ("default", "second")]
    with told(servers, tmp_path) as notifications:
        found = notifications.of(*sent)
    assert len(found) == 2
    assert {*found} == {("ticket", frozenset((name, account) for name in names)) for account in ("default", "second")}


@pytest.mark.slow
@pytest.mark.parametrize("cause", ["UpstreamDown", "AccountSuspended", "APIKeyRejected"])
def test_what_cannot_be_asked_about_is_one_page(servers: Servers, tmp_path: Path, cause: str) -> None:
    others = ("FailureSpike", "NothingFinishing", "TasksOverdue", "PollingLagging", "SuccessBudgetBurningSlowly")
    with told(servers, tmp_path) as notifications:
        found = notifications.of(firing(cause), *(firing(name) for name in others))
    assert found == [("page", frozenset({(cause, "default")}))]


@pytest.mark.slow
def test_another_cluster_is_told_of(servers: Servers, tmp_path: Path) -> None:
    sent = [firing("UpstreamDown", cluster="east"), firing("FailureSpike", cluster="west")]
    with told(servers, tmp_path) as notifications:
        assert receivers(notifications.of(*sent)) == ["page", "ticket"]


@pytest.mark.slow
def test_the_same_trouble_in_two_clusters_is_told_apart(servers: Servers, tmp_path: Path) -> None:
    sent = [firing("UpstreamDown", cluster=cluster) for cluster in ("east", "west")]
    with told(servers, tmp_path) as notifications:
        assert receivers(notifications.of(*sent)) == ["page", "page"]
