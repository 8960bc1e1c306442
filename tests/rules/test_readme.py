"""The table of alerts in README.md."""

import re

import pytest

from monitoring.alerting import alerts
from monitoring.readme import END, START, filled
from monitoring.rule import Severity
from tests.rules.promtool import ROOT

TEXT = (ROOT / "README.md").read_text()


def test_it_links_every_alert_once_and_those_that_call_somebody_in_bold() -> None:
    linked = re.findall(r"(\*\*)?\[\w+\]\(docs/runbooks/(\w+)\.md\)", TEXT)
    assert linked == [("**" if alert.severity is Severity.CRITICAL else "", alert.name) for alert in alerts()]


def test_only_what_is_between_the_marks_is_written() -> None:
    text = f"before\n{START}old\n{END}after\n"
    assert filled(text).startswith(f"before\n{START}| what is wrong |")
    assert filled(text).endswith(f"|\n{END}after\n")
    assert filled(filled(text)) == filled(text)


def test_without_marks_nothing_is_written() -> None:
    with pytest.raises(ValueError, match="lacks"):
        filled("no marks")
