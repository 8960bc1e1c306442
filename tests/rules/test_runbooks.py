"""Each alert has its page, each page its sections, and each query on it works."""

import re
from pathlib import Path

import pytest

from monitoring.alerting import alerts
from monitoring.rule import Alert
from tests.rules.promtool import ROOT
from tests.rules.recorded import vocabulary
from tests.support.promql import check

PAGES = ROOT / "docs" / "runbooks"

SECTIONS = [
    "What it means",
    "What the user feels",
    "How to see it",
    "Likely causes",
    "What to do",
    "How to know it is over",
]

QUERIES = [
    (path.stem, query)
    for path in sorted(PAGES.glob("*.md"))
    for query in re.findall(r"```promql\n(.*?)\n```", path.read_text(), re.DOTALL)
]


def text(alert: Alert) -> str:
    return (PAGES / f"{alert.name}.md").read_text()


def test_there_is_a_page_for_each_alert_and_none_besides() -> None:
    assert sorted(path.stem for path in PAGES.iterdir()) == sorted(alert.name for alert in alerts())


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_a_page_says_what_the_rule_says(alert: Alert) -> None:
    after = f" after {alert.wait}" if alert.wait else ""
    assert text(alert).startswith(f"# {alert.name}\n\n**{alert.severity}**{after}: {alert.summary}\n\n")


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_a_page_has_all_sections_in_order_and_none_is_empty(alert: Alert) -> None:
    parts = re.split(r"^## (.+)$", text(alert), flags=re.MULTILINE)[1:]
    assert parts[::2] == SECTIONS
    assert all(body.strip() for body in parts[1::2])


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_causes_and_deeds_are_numbered_and_there_is_a_query(alert: Alert) -> None:
    body = dict(zip(SECTIONS, re.split(r"^## .+$", text(alert), flags=re.MULTILINE)[1:], strict=True))
    assert re.search(r"^1\. .+\n(.*\n)*?2\. ", body["Likely causes"], re.MULTILINE)
    assert re.search(r"^1\. .+\n(.*\n)*?2\. ", body["What to do"], re.MULTILINE)
    assert "```promql" in body["How to see it"]


@pytest.mark.parametrize(("page", "query"), QUERIES)
def test_a_query_parses_and_asks_only_for_what_there_is(page: str, query: str) -> None:
    check(query, vocabulary())


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_a_page_lists_the_tasks_that_its_alert_links_to(alert: Alert) -> None:
    assert re.findall(r"`/tasks\?(.*?)`", text(alert)) == ([alert.tasks] if alert.tasks else [])


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_names_and_links_lead_somewhere(path: Path) -> None:
    words = path.read_text()
    for name in re.findall(r"`(ByteSpike\w+)`", words):
        assert (PAGES / f"{name}.md").is_file(), name
    for link in re.findall(r"\]\(([^)]+)\)", words):
        assert (PAGES / link.partition("#")[0]).is_file(), link
    for metric in re.findall(r"`(bytespike_\w+)`", words):
        assert metric in vocabulary().series, metric
