"""A click leads on, with choices and time range: to group and model, to single tasks, to the runbook."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from dashboards._links import TITLES, carried
from tests.dashboards.boards import BOARDS, PROJECT, panels, substituted, variables, vocabulary
from tests.dashboards.test_boards import UIDS
from tests.dashboards.test_reading import properties, titled
from tests.support.promql import check

NAMES = {uid: name for name, uid in UIDS.items()}
VOCABULARY = vocabulary()

OF_SERIES = re.compile(r"\$\{__field\.labels\.(\w+):percentencode\}")
OF_CELL = re.compile(r'\$\{__data\.fields\["([^"]+)"\]:percentencode\}')
PASSED_ON = re.compile(r"\$\{(\w+):queryparam\}")
CHOSEN_BY = {"account", "group", "model", "task_id", "instance"}
"""Labels that have a variable of their own."""

PANELS = [
    pytest.param(name, panel, id=f"{name}: {panel['title']}") for name in BOARDS for panel in panels(BOARDS[name])
]


def links(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """Each once, wherever in the panel it opens."""
    found = {link["url"]: link for entries in properties(panel, "links").values() for link in entries}
    return list(found.values())


def dashboards(panel: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The links to dashboards: the name of the destination, and what is passed to it."""
    for link in links(panel):
        if link["url"].startswith("/d/"):
            uid, _, query = link["url"].removeprefix("/d/").partition("?")
            yield NAMES[uid], query


def headings(panel: dict[str, Any]) -> set[str]:
    (options,) = [one["options"] for one in panel["transformations"] if one["id"] == "organize"]
    return {heading for heading in options["renameByName"].values() if heading}


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_leads_somewhere(name: str, panel: dict[str, Any]) -> None:
    del name
    assert links(panel)
    assert all(link["title"] for link in links(panel))


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_link_takes_the_time_range_and_every_choice_along(name: str, panel: dict[str, Any]) -> None:
    here = set(variables(BOARDS[name]))
    for destination, query in dashboards(panel):
        there = set(variables(BOARDS[destination]))
        picked = {key.removeprefix("var-") for key, _ in parse_qsl(query) if key.startswith("var-")}
        passed = set(PASSED_ON.findall(query))
        assert query.startswith("${__url_time_range}")
        assert picked <= there
        assert passed <= here
        assert picked.isdisjoint(passed)
        assert (here & there) - {"task_id"} <= picked | passed


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_link_chooses_by_what_the_series_or_the_row_has(name: str, panel: dict[str, Any]) -> None:
    del name
    labels = [check(substituted(target["expr"]), VOCABULARY) for target in panel["targets"]]
    for link in links(panel):
        assert all(set(OF_SERIES.findall(link["url"])) <= found for found in labels)
        if panel["type"] == "table":
            assert set(OF_CELL.findall(link["url"])) <= headings(panel)
        else:
            assert OF_CELL.findall(link["url"]) == []


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_series_that_is_named_is_what_its_links_choose(name: str, panel: dict[str, Any]) -> None:
    del name
    legends = " ".join(target.get("legendFormat", "") for target in panel["targets"])
    named = set(re.findall(r"\{\{(\w+)\}\}", legends)) & CHOSEN_BY
    chosen = {label for link in links(panel) for label in OF_SERIES.findall(link["url"])}
    assert named <= chosen


@pytest.mark.parametrize("panel", titled("table"))
def test_every_row_of_a_table_leads_to_what_it_is_about(panel: dict[str, Any]) -> None:
    (options,) = [one["options"] for one in panel["transformations"] if one["id"] == "organize"]
    labels = [heading for label, heading in options["renameByName"].items() if not label.startswith("Value")]
    opens = properties(panel, "links")
    assert all(opens[heading] for heading in labels)
    assert any(OF_CELL.search(link["url"]) for link in links(panel))


def way(source: str, title: str) -> set[str]:
    """Where the links of a panel lead that choose something."""
    (panel,) = [one for one in panels(BOARDS[source]) if one["title"] == title]
    return {destination for destination, query in dashboards(panel) if "var-" in query}


def test_the_way_down_is_whole() -> None:
    assert {"group_and_model", "task_explorer"} <= way("overview", "Groups and models, last hour")
    assert "task_explorer" in way("group_and_model", "Highest failure ratio")
    assert "task_explorer" in way("task_explorer", "Failed tasks")
    assert {"overview", "credits"} <= way("exporter_and_api", "Accounts")


def test_an_alert_leads_to_its_runbook_and_to_its_dashboards() -> None:
    (alerts,) = [one for one in panels(BOARDS["overview"]) if one["title"] == "Firing alerts"]
    (runbook,) = [link for link in links(alerts) if not link["url"].startswith("/d/")]
    assert runbook["targetBlank"]
    page = OF_CELL.sub("FailureSpike", runbook["url"].rpartition("/")[2])
    assert (PROJECT / "docs/runbooks" / page).is_file()
    # an alert about no account or group leads to all of them
    assert '"account", "All", "account", ""' in alerts["targets"][0]["expr"]
    assert '"group", "All", "group", ""' in alerts["targets"][0]["expr"]
    assert {"overview", "group_and_model", "exporter_and_api"} == way("overview", "Firing alerts")


def test_the_addresses_of_links_are_those_of_the_dashboards() -> None:
    assert {f"ByteSpike / {title}" for title in TITLES.values()} == {board["title"] for board in BOARDS.values()}
    assert set(TITLES) == set(NAMES)


def test_a_choice_that_a_dashboard_does_not_offer_is_not_passed_on() -> None:
    url = "/d/one?${__url_time_range}&var-group=a&${job:queryparam}&${model:queryparam}"
    assert carried(url, ("group",)) == "/d/one?${__url_time_range}&var-group=a&${job:queryparam}"
