"""Each scenario is told of, by the alerts that should, to whom it should, and only as long as it lasts."""

import pytest

from monitoring.alerting import alerts
from tests.e2e.alerting.plan import CASES, HEALTHY, OWN, Case
from tests.e2e.alerting.play import HEALTHY_SECONDS
from tests.e2e.alerting.story import Story

pytestmark = pytest.mark.e2e

SEVERITIES = {alert.name: alert.severity for alert in alerts()}
RECEIVERS = {"critical": "page", "warning": "ticket", "info": "notice"}

WATCHDOG = "ByteSpikeWatchdog"


EXPECTED = [(case, f"ByteSpike{alert}") for case in CASES for alert in sorted(case.alerts)]


def named(value: object) -> str:
    return f"{value.account} {value.scenario}" if isinstance(value, Case) else str(value)


@pytest.mark.parametrize(("case", "alert"), EXPECTED, ids=named)
def test_a_scenario_is_told_to_those_whom_it_concerns(story: Story, case: Case, alert: str) -> None:
    told = story.told(alert, is_resolved=False, account=case.account)
    assert told, f"not told of; what was: {names(story, case.account)}"
    assert {one.receiver for one in told} == {RECEIVERS[SEVERITIES[alert]]}


@pytest.mark.parametrize(("case", "alert"), EXPECTED, ids=named)
def test_it_is_told_that_it_is_over(story: Story, case: Case, alert: str) -> None:
    assert story.is_over(alert, account=case.account)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_nothing_else_is_told_of_an_account(story: Story, case: Case) -> None:
    assert names(story, case.account) <= {f"ByteSpike{name}" for name in case.alerts | case.may}


def test_in_ten_healthy_minutes_nothing_fires(story: Story) -> None:
    phase = story.healthy
    early = "|".join(case.account for case in CASES if case.early)
    window = f"{phase.end - phase.start:.0f}s"
    firing = f'ALERTS{{alertstate="firing", alertname!="{WATCHDOG}", account!~"{early}"}}'
    assert phase.end - phase.start >= HEALTHY_SECONDS
    assert story.stack.prometheus.instant(f"count_over_time({firing}[{window}])", phase.end) == []
    assert story.stack.prometheus.instant(f"count_over_time(up[{window}])", phase.end) != []


def test_an_account_that_is_well_is_never_told_of(story: Story) -> None:
    assert names(story, HEALTHY) == set()


def test_the_watchdog_is_told_of_all_the_time(story: Story) -> None:
    told = [one.at for one in story.told(WATCHDOG, is_resolved=False) if one.receiver == "watchdog"]
    assert len([at for at in told if story.healthy.start <= at <= story.calm.end]) >= 5


@pytest.mark.parametrize("alert", OWN)
def test_the_exporters_own_troubles_come_and_go(story: Story, alert: str) -> None:
    instance = story.stack.other.url.removeprefix("http://")
    name = f"ByteSpike{alert}"
    assert {one.labels["instance"] for one in story.told(name)} == {instance}
    assert {one.receiver for one in story.told(name)} == {RECEIVERS[SEVERITIES[name]]}
    assert story.is_over(name)


def test_what_nobody_can_judge_without_the_exporter_is_held_back(story: Story) -> None:
    states = {name: {status["state"] for status in of} for name, of in story.held_back.items()}
    assert states.pop(WATCHDOG) == {"active"}
    assert states.pop("ByteSpikeExporterDown") == {"active"}
    assert states["ByteSpikeETAOff"] == {"suppressed"}
    assert set.union(*states.values()) == {"suppressed"}


def test_what_is_told_is_whole(story: Story) -> None:
    for told in story.told():
        text = " ".join(told.annotations.values())
        assert told.annotations.keys() == {"summary", "description", "runbook_url"}
        assert "<no value>" not in text, told
        assert "%!" not in text, told


def names(story: Story, account: str) -> set[str]:
    """Which alerts were told of an account."""
    return {told.name for told in story.told(account=account)}
