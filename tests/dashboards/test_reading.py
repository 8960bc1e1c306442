"""How the dashboards read: titles that fit, terms of the field, colours told apart, grey for what is not known."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from dashboards._look import CODES, ENDS, OF_ACCOUNTS, OPEN_STATES, REASONS, SPREAD
from exporter.metrics.catalogue import BY_NAME
from exporter.metrics.family import Histogram
from tests.dashboards.boards import BOARDS, PROJECT, panels
from tests.dashboards.colours import difference, hue
from tests.support.promql import names

LETTERS_OF_COLUMN = 5
"""Of a title, for each of the grid's columns, beside the mark of the description: what 1500 pixels show."""

PIXELS_OF_LETTER, PIXELS_OF_PADDING = 8, 14

BANNED = re.compile(
    r"\bhalf\b|\bdear(est)?\b|\bdepartures?\b|^without\b|\bas other$|\basked for$|\d+ %$", re.IGNORECASE
)
"""Words that stood in titles and legends where the field has terms of its own."""

GREY = {"text", "#8e8e8e"}
FILLED_WORDS = {"NO EXPORTER", "ABSENT"}
"""What is wrong by itself when it is not there."""

NOTICEABLE, TOLD_APART = 14, 25
"""Differences of two colours: such that a legend can be read at all, and that it is read at a glance."""

OVER_A_HUNDRED_SECONDS = 100


def all_panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, board in BOARDS.items():
        for panel in panels(board):
            yield name, panel


def titled(kind: str) -> list[Any]:
    return [
        pytest.param(panel, id=f"{name}: {panel['title']}") for name, panel in all_panels() if panel["type"] == kind
    ]


EVERY = [pytest.param(panel, id=f"{name}: {panel['title']}") for name, panel in all_panels()]


def properties(panel: dict[str, Any], wanted: str) -> dict[str, Any]:
    """The overrides of one property, by what they match."""
    return {
        override["matcher"]["options"]: entry["value"]
        for override in panel["fieldConfig"]["overrides"] or []
        for entry in override["properties"]
        if entry["id"] == wanted
    }


def texts(panel: dict[str, Any]) -> Iterator[str]:
    """What a person reads of it: title, legends, headings."""
    yield panel["title"]
    yield from (target.get("legendFormat", "") for target in panel["targets"])
    yield from (matched for matched in properties(panel, "links") if matched != ".*")
    yield from properties(panel, "unit")


@pytest.mark.parametrize("panel", EVERY)
def test_a_title_fits_its_panel(panel: dict[str, Any]) -> None:
    assert len(panel["title"]) <= LETTERS_OF_COLUMN * panel["gridPos"]["w"]


@pytest.mark.parametrize("panel", titled("table"))
def test_a_heading_fits_its_column(panel: dict[str, Any]) -> None:
    for heading, pixels in properties(panel, "custom.width").items():
        assert len(heading) * PIXELS_OF_LETTER + PIXELS_OF_PADDING <= pixels, heading


@pytest.mark.parametrize("panel", EVERY)
def test_the_field_has_a_term_for_it(panel: dict[str, Any]) -> None:
    assert [text for text in texts(panel) if BANNED.search(text)] == []


def test_odd_words_are_found() -> None:
    for odd in ("half", "Duration / ETA, half", "Dearest", "Departures from the documentation", "Without"):
        assert BANNED.search(odd)
    for odd in ("Labels as other", "Budget asked for", "Poll lag, 90 %"):
        assert BANNED.search(odd)


@pytest.mark.parametrize("panel", EVERY)
def test_a_panel_says_why_it_is_empty(panel: dict[str, Any]) -> None:
    assert len(panel["fieldConfig"]["defaults"]["noValue"]) > 1


@pytest.mark.parametrize("panel", [*titled("stat"), *titled("bargauge")])
def test_a_number_that_is_not_there_is_grey(panel: dict[str, Any]) -> None:
    empty = panel["fieldConfig"]["defaults"]["noValue"]
    (mapping,) = [one for one in panel["fieldConfig"]["defaults"]["mappings"] if one["type"] == "special"]
    assert mapping["options"]["match"] == "null+nan"
    assert mapping["options"]["result"]["text"] == empty
    if empty not in FILLED_WORDS:
        assert mapping["options"]["result"]["color"] in GREY


SETS = {
    "statuses": ({**OPEN_STATES, **ENDS}, TOLD_APART),
    "open tasks": (OPEN_STATES, TOLD_APART),
    "quantiles": (SPREAD, TOLD_APART),
    "codes": (CODES, TOLD_APART),
    "accounts": (OF_ACCOUNTS, TOLD_APART),
    "reasons": (REASONS, NOTICEABLE),
}


@pytest.mark.parametrize("name", SETS)
def test_colours_of_a_set_are_told_apart(name: str) -> None:
    colours, least = SETS[name]
    near = [pair for pair in combinations(colours.items(), 2) if difference(pair[0][1], pair[1][1]) < least]
    assert near == []


@pytest.mark.parametrize("panel", titled("timeseries"))
def test_no_two_series_of_a_graph_have_the_same_hue(panel: dict[str, Any]) -> None:
    colours = {name: value["fixedColor"] for name, value in properties(panel, "color").items()}
    if set(colours) == set(REASONS):
        return  # more reasons than hues: families of shades
    same = [pair for pair in combinations(colours, 2) if hue(colours[pair[0]]) == hue(colours[pair[1]]) != ""]
    assert same == []
    assert all(difference(one, other) >= TOLD_APART for one, other in combinations(colours.values(), 2))


def test_two_blues_are_found() -> None:
    assert hue("light-blue") == hue("blue") == "blue"
    assert hue("#8e8e8e") == ""
    assert difference("blue", "light-blue") < TOLD_APART < difference("blue", "yellow")


@pytest.mark.parametrize("panel", titled("timeseries"))
def test_an_axis_of_seconds_has_no_fractions_of_minutes(panel: dict[str, Any]) -> None:
    """Grafana writes 100 s as 1.67 mins: a ``dthms`` axis is a clock, ``suffix:s`` stays with seconds."""
    if panel["fieldConfig"]["defaults"]["unit"] != "s":
        return
    for target in panel["targets"]:
        for name in names(target["expr"].replace("$__rate_interval", "5m")):
            family = BY_NAME.get(name.removesuffix("_bucket"))
            if name != "bytespike_exporter_build_info":
                assert isinstance(family, Histogram), name
                assert max(family.buckets) < OVER_A_HUNDRED_SECONDS


@pytest.mark.parametrize("panel", titled("stat"))
def test_a_number_of_seconds_has_no_fractions_of_minutes_either(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] != "s" or defaults["decimals"] <= 1


@pytest.mark.parametrize("name", BOARDS)
def test_a_fresh_installation_fills_the_graphs_soon(name: str) -> None:
    board = BOARDS[name]
    assert (board["time"]["from"], board["time"]["to"], board["refresh"]) == ("now-1h", "now", "30s")


def test_now_stands_beside_the_hour() -> None:
    overview = BOARDS["overview"]
    stats = [panel["title"] for panel in panels(overview) if panel["type"] == "stat"]
    assert stats.index("Success, 1 h") == stats.index("Success, 5 min") + 1
    (graph,) = [panel for panel in panels(overview) if panel["title"] == "Success"]
    assert [target["legendFormat"] for target in graph["targets"]] == ["5 min", "1 h"]
    (table,) = [panel for panel in panels(overview) if panel["title"].startswith("Groups and models")]
    assert {"5 min", "1 h"} <= set(properties(table, "unit"))


SUMMED = re.compile(r"\b(?:max|min|avg)\b[^()]*(?:\([^()]*\) )?\(bytespike_tasks(?!_oldest)\w*")
ONCE = re.compile(
    r"\bsum\b[^()]*(?:\([^()]*\) )?"
    r"\((?:bytespike_up|bytespike_api_(?:suspended|rate|quota|org)\w*|bytespike_exporter_request_budget\w*)"
)


def test_what_is_counted_is_added_up_over_exporters_and_what_describes_an_account_is_taken_once() -> None:
    asked = [target["expr"] for _, panel in all_panels() for target in panel["targets"]]
    assert [expr for expr in asked if SUMMED.search(expr) or ONCE.search(expr)] == []
    assert SUMMED.search("max by (group) (bytespike_tasks{a='b'})")
    assert ONCE.search("sum by (account) (bytespike_up{a='b'})")


def test_the_page_has_none_of_the_odd_words_either() -> None:
    page = (PROJECT / "docs/dashboards.md").read_text()
    assert re.findall(r"\bdear(?:est)?\b|\bhalf\b", page) == []
