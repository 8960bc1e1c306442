"""docs/kubernetes.md with the table of the chart's values in it, as values.yaml comments them; ``make docs`` writes it.

What stands behind ``# --`` right above a key is what the table says of it.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
VALUES = ROOT / "config/helm/bytespike-exporter/values.yaml"
PAGE = ROOT / "docs/kubernetes.md"

SHORT = 60
"""A default that takes more characters is told by the file."""


def table(text: str) -> str:
    """The table, a row for each value that has a meaning written above it."""
    values = yaml.safe_load(text)
    rows = [f"| `{path}` | {_shown(_at(values, path))} | {meaning} |" for path, meaning in _meanings(text.splitlines())]
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])


def filled(page: str, rows: str) -> str:
    """The page with these rows between its marks."""
    begin, end = "<!-- values -->\n", "<!-- /values -->\n"
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{rows}\n\n{end}{rest.partition(end)[2]}"


def _meanings(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The path of each key below a comment, and the comment."""
    path: list[str] = []
    meaning = ""
    for line in lines:
        if key := re.match(r"( *)(\w+):", line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if meaning:
                yield ".".join(path), meaning
        said = re.match(r" *# -- (.*)", line)
        meaning = said[1] if said else ""


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values[name]
    return values


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return "" if value in ("", [], {}) else f"`{text}`" if len(text) <= SHORT else "see `values.yaml`"


if __name__ == "__main__":
    sys.stdout.write(filled(PAGE.read_text(encoding="utf-8"), table(VALUES.read_text(encoding="utf-8"))))
