"""Each scenario is told of, by the alerts that should, to whom it should, and only as long as it lasts."""

import pytest

from exporter.simulator.scenarios import KINDS
from monitoring.alerting import alerts
from tests.e2e.alerting.plan import CASES, HEALTHY, OUTAGE, OWN, POISON, Case
from tests.e2e.alerting.play import HEALTHY_SECONDS
from tests.e2e.alerting.story import Story
from tests.support import pint

pytestmark = [pytest.mark.e2e, pytest.mark.alerting]

SEVERITIES = {alert.name: alert.severity for alert in alerts()}
RECEIVERS = {"critical": "page", "warning": "ticket", "info": "notice"}

WATCHDOG, DOWN, ABSENT = "ByteSpikeWatchdog", "ByteSpikeExporterDown", "ByteSpikeExporterAbsent"


def test_every_scenario_of_the_simulator_is_played() -> None:
    assert {case.scenario for case in CASES} | {OUTAGE, POISON} == set(KINDS)


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
    told = [one for one in story.told(name) if one.at <= story.calm.end]  # then all of them die
    assert {one.labels["instance"] for one in told} == {instance}
    assert {one.receiver for one in told} == {RECEIVERS[SEVERITIES[name]]}
    assert told[-1].is_resolved


def test_one_dead_exporter_keeps_nothing_back_that_others_see(story: Story) -> None:
    assert {name: story.one_gone.get(name) for name in (WATCHDOG, DOWN, "ByteSpikeETAOff")} == {
        WATCHDOG: {"active"},
        DOWN: {"active"},
        "ByteSpikeETAOff": {"active"},
    }


def test_without_any_exporter_that_is_all_that_is_told(story: Story) -> None:
    assert {one.receiver for one in story.told(ABSENT)} == {"page"}
    active = {name for name, states in story.all_gone.items() if "active" in states}
    assert active == {WATCHDOG, ABSENT}
    assert story.all_gone[DOWN] == {"suppressed"}


@pytest.mark.skipif(not pint.is_installed(), reason=pint.WHY_NOT)
def test_the_linter_finds_nothing_beside_a_prometheus_that_has_all_the_series(story: Story) -> None:
    assert story.faults == ""


def test_what_is_told_is_whole(story: Story) -> None:
    for told in story.told():
        text = " ".join(told.annotations.values())
        assert told.annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
        assert "<no value>" not in text, told
        assert "%!" not in text, told


def names(story: Story, account: str) -> set[str]:
    """Which alerts were told of an account."""
    return {told.name for told in story.told(account=account)}
