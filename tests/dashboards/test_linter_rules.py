"""The rules of grafana/dashboard-linter, by their names there, with the waivers of dashboards/.lint."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import promql_parser as ql
import pytest
import yaml

from exporter.metrics.catalogue import FAMILIES
from tests.dashboards.boards import BOARDS, FOLDER, panels, substituted, variables
from tests.support.promql import selectors

Board = dict[str, Any]
WAIVERS: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / ".lint").read_text())["exclusions"]

CORE_PANELS = {"bargauge", "row", "stat", "state-timeline", "table", "timeseries"}
UNITS = {"none", "short", "percentunit", "s", "bytes", "currencyUSD", "dthms", "suffix:s"}
"""Those of Grafana's units that are used here: a new one is looked up, then added."""


def targets(board: Board) -> Iterator[tuple[str, str]]:
    """Each query with its panel's title."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def matched(expr: str, label: str) -> bool:
    """Whether every selector follows the variable of the label."""
    wanted = f'{label}=~"{substituted(f"${label}")}"'
    return all(wanted in map(str, selector.matchers.matchers) for selector in selectors(substituted(expr)))


def template_datasource(board: Board) -> Iterator[str]:
    found = [variable for variable in variables(board).values() if variable["type"] == "datasource"]
    if [(one["name"], one["label"], one["query"]) for one in found] != [("datasource", "Data source", "prometheus")]:
        yield "datasource"


def _template(board: Board, name: str, label: str) -> Iterator[str]:
    variable = variables(board)[name]
    if variable["type"] != "query" or variable["datasource"]["uid"] != "${datasource}":
        yield f"{name}: source"
    if (variable["label"], variable["multi"], variable["includeAll"], variable["allValue"]) != (
        label,
        True,
        True,
        ".+",
    ):
        yield f"{name}: choice"


def template_job(board: Board) -> Iterator[str]:
    yield from _template(board, "job", "Job")


def template_instance(board: Board) -> Iterator[str]:
    yield from _template(board, "instance", "Instance")


def template_label_promql(board: Board) -> Iterator[str]:
    for variable in variables(board).values():
        if variable["type"] == "query" and not re.fullmatch(r"label_values\(.+, \w+\)", variable["query"]):
            yield str(variable["name"])


def template_on_time_change_reload(board: Board) -> Iterator[str]:
    for variable in variables(board).values():
        if variable["type"] == "query" and variable["refresh"] != 2:
            yield str(variable["name"])


def panel_datasource(board: Board) -> Iterator[str]:
    for panel in panels(board):
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        if any(source != {"type": "prometheus", "uid": "${datasource}"} for source in sources):
            yield panel["title"]


def panel_title_description(board: Board) -> Iterator[str]:
    for panel in panels(board):
        if not panel["title"] or not re.fullmatch(r"[A-Z0-9].+\.", panel["description"]):
            yield panel["title"]


def panel_units(board: Board) -> Iterator[str]:
    for panel in panels(board):
        overrides = [entry for override in panel["fieldConfig"]["overrides"] or [] for entry in override["properties"]]
        units = [panel["fieldConfig"]["defaults"].get("unit")]
        units += [entry["value"] for entry in overrides if entry["id"] == "unit"]
        if not set(units) <= UNITS:
            yield panel["title"]


def panel_no_targets(board: Board) -> Iterator[str]:
    for panel in panels(board):
        if not panel["targets"]:
            yield panel["title"]


def target_promql(board: Board) -> Iterator[str]:
    for title, expr in targets(board):
        try:
            ql.parse(substituted(expr))
        except ValueError:
            yield title


def target_rate_interval(board: Board) -> Iterator[str]:
    for title, expr in targets(board):
        if re.search(r"\bi?rate\([^()]*\[(?!\$__rate_interval\])", expr):
            yield title


def target_job(board: Board) -> Iterator[str]:
    for title, expr in targets(board):
        if not matched(expr, "job"):
            yield title


def target_instance(board: Board) -> Iterator[str]:
    for title, expr in targets(board):
        if not matched(expr, "instance"):
            yield title


def target_counter_agg(board: Board) -> Iterator[str]:
    counters = "|".join(family.name for family in FAMILIES if family.type == "counter")
    for title, expr in targets(board):
        if re.search(rf"(?<!rate\()(?<!increase\()\b({counters})\b", expr):
            yield title


def uneditable_dashboard(board: Board) -> Iterator[str]:
    if board["editable"]:
        yield "editable"


def core_panels(board: Board) -> Iterator[str]:
    """Not the linter's: nothing that has to be installed."""
    for panel in [*board["panels"], *panels(board)]:
        if panel["type"] not in CORE_PANELS:
            yield panel["title"]


RULES: dict[str, Callable[[Board], Iterator[str]]] = {
    "template-datasource-rule": template_datasource,
    "template-job-rule": template_job,
    "template-instance-rule": template_instance,
    "template-label-promql-rule": template_label_promql,
    "template-on-time-change-reload-rule": template_on_time_change_reload,
    "panel-datasource-rule": panel_datasource,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "panel-no-targets-rule": panel_no_targets,
    "target-promql-rule": target_promql,
    "target-rate-interval-rule": target_rate_interval,
    "target-job-rule": target_job,
    "target-instance-rule": target_instance,
    "target-counter-agg-rule": target_counter_agg,
    "uneditable-dashboard": uneditable_dashboard,
    "core-panels": core_panels,
}


def waived(rule: str, board: Board) -> set[str]:
    entries = WAIVERS.get(rule, {}).get("entries", [])
    return {entry["panel"] for entry in entries if entry["dashboard"] == board["title"]}


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("rule", RULES)
def test_a_dashboard_keeps_the_rule_but_for_what_is_waived(rule: str, name: str) -> None:
    board = BOARDS[name]
    assert set(RULES[rule](board)) == waived(rule, board)


@pytest.mark.parametrize("name", BOARDS)
def test_the_linter_itself_agrees_where_it_is_installed(name: str) -> None:
    linter = shutil.which("dashboard-linter")
    if linter is None:
        pytest.skip("dashboard-linter is not installed; its rules are tested here all the same")
    command = [linter, "lint", "--strict", "--config", str(FOLDER / ".lint"), str(FOLDER / f"{name}.json")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_every_waiver_is_of_a_rule_and_has_a_reason() -> None:
    assert set(WAIVERS) <= set(RULES)
    assert all(waiver["reason"] and waiver["entries"] for waiver in WAIVERS.values())


BROKEN: dict[str, Callable[[Board], object]] = {
    "template-datasource-rule": lambda board: variables(board)["datasource"].update(label="Source"),
    "template-job-rule": lambda board: variables(board)["job"].update(allValue=".*"),
    "template-instance-rule": lambda board: variables(board)["instance"]["datasource"].update(uid="prometheus"),
    "template-label-promql-rule": lambda board: variables(board)["account"].update(query="accounts()"),
    "template-on-time-change-reload-rule": lambda board: variables(board)["group"].update(refresh=1),
    "panel-datasource-rule": lambda board: next(panels(board))["datasource"].update(uid="prometheus"),
    "panel-title-description-rule": lambda board: next(panels(board)).update(description="no sentence"),
    "panel-units-rule": lambda board: next(panels(board))["fieldConfig"]["defaults"].update(unit="parsec"),
    "panel-no-targets-rule": lambda board: next(panels(board)).update(targets=[]),
    "target-promql-rule": lambda board: next(panels(board))["targets"][0].update(expr="sum("),
    "target-rate-interval-rule": lambda board: next(panels(board))["targets"][0].update(expr="rate(up[5m])"),
    "target-job-rule": lambda board: next(panels(board))["targets"][0].update(expr='up{job="one"}'),
    "target-instance-rule": lambda board: next(panels(board))["targets"][0].update(expr="up"),
    "target-counter-agg-rule": lambda board: next(panels(board))["targets"][0].update(
        expr="bytespike_api_requests_total"
    ),
    "uneditable-dashboard": lambda board: board.update(editable=True),
    "core-panels": lambda board: next(panels(board)).update(type="graph"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_what_breaks_it(rule: str) -> None:
    board = yaml.safe_load((FOLDER / "overview.json").read_text())
    before = set(RULES[rule](board)) if rule != "target-promql-rule" else set()
    BROKEN[rule](board)
    assert set(RULES[rule](board)) > before
