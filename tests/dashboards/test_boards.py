"""The committed dashboards are whole: Grafana knows every key, nothing overlaps, and everything leads somewhere."""

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import combinations, pairwise
from typing import Any

import pytest
from grafana_foundation_sdk.cog import runtime
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import bargauge, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from scripts.generated import GENERATED
from tests.dashboards.boards import BOARDS, FOLDER, PROJECT, panels, variables

# part of every address that somebody has kept
UIDS = {
    "credits": "bytespike-credits",
    "exporter_and_api": "bytespike-exporter",
    "group_and_model": "bytespike-group-model",
    "overview": "bytespike-overview",
    "task_explorer": "bytespike-tasks",
}
WIDTH = 24


@pytest.fixture
def _kinds() -> None:
    """Tell Grafana's models which kinds of panels and queries are used; what it is not told of it would let pass."""
    for panel in (bargauge, stat, statetimeline, table, timeseries):
        runtime.register_panelcfg_variant(panel.variant_config())
    runtime.register_dataquery_variant(prometheus.variant_config())


def lost(board: dict[str, Any]) -> set[str]:
    """What Grafana's own models drop, for they do not know it."""
    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    return set(paths(board)) - set(paths(read))


def all_panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """With the rows."""
    return [*(panel for panel in board["panels"] if panel["type"] == "row"), *panels(board)]


def paths(tree: object, prefix: str = "") -> Iterator[str]:
    """The path of every value in it."""
    match tree:
        case dict():
            for key, value in tree.items():
                yield from paths(value, f"{prefix}.{key}")
        case list():
            for place, value in enumerate(tree):
                yield from paths(value, f"{prefix}[{place}]")
        case _:
            yield f"{prefix} = {tree!r}"


def test_the_addresses_stay() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == UIDS


@pytest.mark.parametrize("name", BOARDS)
def test_the_file_is_what_its_module_prints(name: str) -> None:
    text = import_module(f"dashboards.{name}").BOARD.json()
    assert (FOLDER / f"{name}.json").read_text() == text, "run: make docs"
    assert GENERATED[f"dashboards/{name}.json"] == f"dashboards.{name}"


@pytest.mark.usefixtures("_kinds")
@pytest.mark.parametrize("name", BOARDS)
def test_grafana_knows_every_key(name: str) -> None:
    assert lost(BOARDS[name]) == set()


@pytest.mark.usefixtures("_kinds")
@pytest.mark.parametrize(
    ("part", "key"), [("options", "colourMode"), ("gridPos", "z"), ("fieldConfig", "default"), ("targets", "exp")]
)
def test_a_misspelt_key_is_found(part: str, key: str) -> None:
    board = json.loads((FOLDER / "overview.json").read_text())
    found = next(panels(board))[part]
    (found[0] if isinstance(found, list) else found)[key] = 1
    assert [path for path in lost(board) if path.endswith(f"{key} = 1")]


@pytest.mark.parametrize("name", BOARDS)
def test_ids_and_letters_tell_panels_and_queries_apart(name: str) -> None:
    ids = [panel["id"] for panel in all_panels(BOARDS[name])]
    assert sorted(ids) == list(range(1, len(ids) + 1))
    for panel in panels(BOARDS[name]):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == [chr(ord("A") + place) for place in range(len(letters))]


@pytest.mark.parametrize("name", BOARDS)
def test_panels_fill_the_width_and_do_not_overlap(name: str) -> None:
    boxes = [panel["gridPos"] for panel in BOARDS[name]["panels"]]
    assert all(box["x"] + box["w"] <= WIDTH for box in boxes)
    cells = [{(x, y) for x in _span(box, "x", "w") for y in _span(box, "y", "h")} for box in boxes]
    assert not any(one & other for one, other in combinations(cells, 2))
    tops = sorted({box["y"] for box in boxes})
    for top, below in pairwise([*tops, max(box["y"] + box["h"] for box in boxes)]):
        line = [box for box in boxes if box["y"] == top]
        assert sum(box["w"] for box in line) == WIDTH
        assert {box["h"] for box in line} == {below - top}


def _span(box: dict[str, int], start: str, length: str) -> range:
    return range(box[start], box[start] + box[length])


@pytest.mark.parametrize("name", BOARDS)
def test_titles_are_told_apart_within_a_row(name: str) -> None:
    titles: list[str] = []
    for panel in BOARDS[name]["panels"]:
        titles = [] if panel["type"] == "row" else [*titles, panel["title"]]
        assert len(titles) == len(set(titles))


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_leads_to_the_others_and_to_the_runbooks(name: str) -> None:
    others, runbooks = BOARDS[name]["links"]
    assert others["type"] == "dashboards"
    assert others["tags"] == BOARDS[name]["tags"] == ["bytespike"]
    assert others["includeVars"]
    assert others["keepTime"]
    assert runbooks["url"].endswith("/docs/runbooks/")
    assert (PROJECT / "docs/runbooks").is_dir()


@pytest.mark.parametrize("name", BOARDS)
def test_alerts_reloads_and_restarts_are_marked(name: str) -> None:
    marks = {mark["name"]: mark for mark in BOARDS[name]["annotations"]["list"]}
    assert list(marks) == ["Alerts", "Reloads", "Restarts"]
    assert all(mark["enable"] and mark["datasource"]["uid"] == "${datasource}" for mark in marks.values())
    assert [name for name, mark in marks.items() if mark.get("useValueForTime")] == ["Reloads", "Restarts"]


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_of_a_dashboard_narrows_some_query(name: str) -> None:
    queries = json.dumps(list(panels(BOARDS[name])))
    assert [variable for variable in variables(BOARDS[name]) if f"${variable}" not in queries.replace("{", "")] == []


def test_exemplars_are_on_where_there_are_any() -> None:
    with_exemplars = {
        target["expr"].partition("{")[0].rpartition("(")[2]
        for board in BOARDS.values()
        for panel in panels(board)
        for target in panel["targets"]
        if target.get("exemplar")
    }
    assert with_exemplars == {"bytespike_tasks_duration_seconds_bucket", "bytespike_tasks_failed_total"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_documented(name: str) -> None:
    page = (PROJECT / "docs/dashboards.md").read_text()
    assert f"| [{BOARDS[name]['title']}](../dashboards/{name}.json) | `{UIDS[name]}` |" in page
