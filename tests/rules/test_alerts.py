"""Each alert fires, stays quiet and clears as the tables in cases/ say, for the real promtool."""

from pathlib import Path

import pytest

from monitoring.alerting import alerts
from tests.rules import promtool
from tests.rules.case import Case, Quiet
from tests.rules.cases.table import CASES

ALWAYS = "ByteSpikeWatchdog"
"""The one alert that is meant to fire for ever: it has nothing to be quiet about."""

QUIET = [(case.alert, quiet) for case in CASES for quiet in case.quiet]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_it_fires_at_the_minute_with_exactly_these_labels_and_annotations(case: Case, tmp_path: Path) -> None:
    promtool.check(tmp_path, promtool.needed(case.alert), [promtool.fires(case.alert, case.fires)])


@pytest.mark.parametrize(("alert", "quiet"), QUIET, ids=[f"{alert}: {quiet.why}" for alert, quiet in QUIET])
def test_it_stays_quiet_although_something_similar_happens(alert: str, quiet: Quiet, tmp_path: Path) -> None:
    promtool.check(tmp_path, promtool.needed(alert), [promtool.quiet(alert, quiet)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_it_clears_by_itself(case: Case, tmp_path: Path) -> None:
    promtool.check(tmp_path, promtool.needed(case.alert), [promtool.clears(case.alert, case.clears)])


def test_the_watchdog_fires_always(tmp_path: Path) -> None:
    rule = promtool.ALERTS[ALWAYS]
    expected = {"exp_labels": {"severity": "info"}, "exp_annotations": dict(rule.annotations)}
    times = [{"eval_time": at, "alertname": ALWAYS, "exp_alerts": [expected]} for at in ("0m", "60m")]
    group = {"interval": "1m", "input_series": [], "alert_rule_test": times}
    promtool.check(tmp_path, promtool.needed(ALWAYS), [group])


def test_every_alert_has_its_cases() -> None:
    assert sorted(case.alert for case in CASES) == sorted(alert.name for alert in alerts() if alert.name != ALWAYS)
    assert all(case.quiet for case in CASES)
