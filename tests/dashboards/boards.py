"""The committed dashboards, as the tests look at them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.promql import check
from tests.support.vocabulary import Vocabulary

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "dashboards"
BOARDS: Mapping[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}

# what Grafana puts there, in a form that PromQL's parser takes
INTERVALS = {"$__rate_interval": "5m", "$__range": "1h"}
VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One expression, and where it stands; ``is_instant`` where only its present value is shown."""

    board: str
    place: str
    raw: str
    legend: str = ""
    is_instant: bool = False

    @property
    def expr(self) -> str:
        return substituted(self.raw)


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel but the rows, those in folded rows too."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def variables(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def of_panels() -> Iterator[Asked]:
    for name, board in BOARDS.items():
        for panel in panels(board):
            for target in panel["targets"]:
                place, legend = f"{panel['title']} {target['refId']}", target.get("legendFormat", "")
                yield Asked(name, place, target["expr"], legend, is_instant=target.get("instant", False))


def of_variables() -> Iterator[Asked]:
    for name, board in BOARDS.items():
        for variable in variables(board).values():
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            if found is not None:
                yield Asked(name, variable["name"], found[1], f"{{{{{found[2]}}}}}")


def of_annotations() -> Iterator[Asked]:
    for name, board in BOARDS.items():
        for annotation in board["annotations"]["list"]:
            words = f"{annotation.get('titleFormat', '')} {annotation.get('textFormat', '')}"
            yield Asked(name, annotation["name"], annotation["expr"], words)


def substituted(expr: str) -> str:
    """The expression with a value for each of Grafana's variables."""
    for name, value in INTERVALS.items():
        expr = expr.replace(name, value)
    return VARIABLE.sub(r"one|\1", expr)


def vocabulary() -> Vocabulary:
    """What the exporter exports, and what the recording rules make of it."""
    found = Vocabulary.of_exporter()
    for path in sorted((PROJECT / "config/prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    found = found.with_series(rule["record"], check(rule["expr"], found))
    return found
