"""The committed figures: of the rules as they are, and as they have to be."""

import pytest

from monitoring.alerting import alerts
from monitoring.reaction import rules
from monitoring.reaction.figures import load
from monitoring.reaction.situations import situations
from monitoring.rule import Severity
from tests.rules.reaction.expectations import EXPECTED

FIGURES = load()
PAGES = frozenset(alert.name for alert in alerts() if alert.severity is Severity.CRITICAL)


def test_they_were_measured_on_the_rules_that_are_shipped() -> None:
    assert FIGURES.rules == rules.digest(rules.shipped()), "run: python -m monitoring.reaction && make docs"


def test_each_situation_is_measured_and_judged() -> None:
    names = [situation.name for situation in situations()]
    assert names == list(FIGURES.situations) == list(EXPECTED)


@pytest.mark.parametrize("situation", EXPECTED)
def test_what_must_come_comes_in_time(situation: str) -> None:
    found = FIGURES.situations[situation]
    late = {
        alert: found.get(alert)
        for alert, within in EXPECTED[situation].must.items()
        if alert not in found or found[alert].after > within
    }
    assert not late


@pytest.mark.parametrize("situation", EXPECTED)
def test_nothing_else_comes_and_no_page_but_for_its_cause(situation: str) -> None:
    expected = EXPECTED[situation]
    assert FIGURES.situations[situation].keys() == expected.must.keys() | expected.besides
    assert not expected.besides & PAGES


@pytest.mark.parametrize("situation", EXPECTED)
def test_each_comes_once_and_ends_with_its_cause(situation: str) -> None:
    found, expected = FIGURES.situations[situation], EXPECTED[situation]
    assert {alert: reaction.times for alert, reaction in found.items() if reaction.times != 1} == expected.often
    assert {alert for alert, reaction in found.items() if reaction.until is None} == expected.lasting


def test_those_that_are_tempted_are_alerts_and_nothing_quiet_is_expected() -> None:
    names = {alert.name for alert in alerts()}
    for expected in EXPECTED.values():
        assert expected.tempted | expected.must.keys() | expected.besides <= names
        assert not expected.tempted & (expected.must.keys() | expected.besides)
        assert expected.must or expected.tempted
