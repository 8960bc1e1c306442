"""Each alert fires, stays quiet and clears as the tables in cases/ say, for the real promtool."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from monitoring.alerting import alerts
from tests.rules import promtool
from tests.rules.case import Case, Fires, Quiet
from tests.rules.cases.table import CASES
from tests.support.servers import Servers

ALWAYS = "ByteSpikeWatchdog"
"""The one alert that is meant to fire for ever: it has nothing to be quiet about."""

DAY = 1440
"""Minutes; promtool evaluates each of them."""


def quiet_of(case: Case) -> Iterator[ParameterSet]:
    """Each reason to stay quiet; what takes more than a day is for the long run."""
    for quiet in case.quiet:
        marks = [pytest.mark.long] if quiet.minutes > DAY else []
        yield pytest.param(case.alert, quiet, marks=marks, id=f"{case.alert}: {quiet.why}")


QUIET = [quiet for case in CASES for quiet in quiet_of(case)]
FIRES = [(case.alert, fires) for case in CASES for fires in (case.fires, *case.also)]


@pytest.mark.slow
@pytest.mark.parametrize(("alert", "fires"), FIRES, ids=[f"{alert} at {fires.at}" for alert, fires in FIRES])
def test_it_fires_at_the_minute_with_exactly_these_labels_and_annotations(
    servers: Servers, alert: str, fires: Fires, tmp_path: Path
) -> None:
    promtool.check(tmp_path, promtool.needed(alert), [promtool.fires(alert, fires)], servers=servers)


@pytest.mark.slow
@pytest.mark.parametrize(("alert", "quiet"), QUIET)
def test_it_stays_quiet_although_something_similar_happens(
    servers: Servers, alert: str, quiet: Quiet, tmp_path: Path
) -> None:
    promtool.check(tmp_path, promtool.needed(alert), [promtool.quiet(alert, quiet)], servers=servers)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_it_clears_by_itself(servers: Servers, case: Case, tmp_path: Path) -> None:
    promtool.check(tmp_path, promtool.needed(case.alert), [promtool.clears(case.alert, case.clears)], servers=servers)


def test_the_watchdog_fires_always(servers: Servers, tmp_path: Path) -> None:
    rule = promtool.ALERTS[ALWAYS]
    expected = {"exp_labels": {"severity": "info"}, "exp_annotations": dict(rule.annotations())}
    times = [{"eval_time": at, "alertname": ALWAYS, "exp_alerts": [expected]} for at in ("0m", "60m")]
    group = {"interval": "1m", "input_series": [], "alert_rule_test": times}
    promtool.check(tmp_path, promtool.needed(ALWAYS), [group], servers=servers)


def test_every_alert_has_its_cases() -> None:
    assert sorted(case.alert for case in CASES) == sorted(alert.name for alert in alerts() if alert.name != ALWAYS)
    assert all(case.quiet for case in CASES)
