"""``docs/performance.md``, and the short table of README.md: figures as they were kept; ``make docs`` writes both."""

import re
import sys
from collections.abc import Iterator

from benchmarks._figures import Figure
from benchmarks._templates import rendered
from benchmarks.report import PARTS, Report, share, shown, table
from benchmarks.soak.plan import FAULTS
from benchmarks.soak.record import Record

START, END = "<!-- figures: make docs -->\n", "<!-- /figures -->\n"

HEADLINES = ("whole", "scrape", "commit", "memory", "arrival")
"""The parts of which README.md shows the dearest figure that has a goal."""

MARGIN = 3.0
"""How many times as large a ratio may become before it is a fault: machines differ, and so do their neighbours."""


def page(report: Report, record: Record) -> str:
    """The whole page."""
    return rendered(
        "performance.md",
        machine=report.machine,
        table=list(table(_tabled(report))),
        parts=[f"`{part}`" for part in PARTS if part != "whole"],
        plan=record.plan,
        faults=FAULTS,
        verdicts=record.verdicts,
        margin=MARGIN,
    )


def with_figures(text: str, report: Report) -> str:
    """The text with the short table between its marks; raises ValueError where they are missing."""
    found = re.fullmatch(f"(.*{START}).*({END}.*)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"README.md lacks {START!r} or {END!r}")
    return found[1] + "\n".join(_short(report)) + "\n" + found[2]


def _tabled(report: Report) -> list[Figure]:
    """Every figure but those that are there for a chart alone."""
    return [figure for found in report.figures.values() for figure in found if figure.line != "delay"]


def _short(report: Report) -> Iterator[str]:
    yield "| what | it costs | beside it |"
    yield "|---|---|---|"
    for part in HEADLINES:
        with_goals = (each for each in report.figures.get(part, ()) if each.is_reached is not None)
        figure = max(with_goals, key=lambda each: each.cost)
        yield f"| {figure.name} | {shown(figure.cost, figure.unit)} | {_beside(figure)} |"


def _beside(figure: Figure) -> str:
    return f"{figure.peer_name}: {shown(figure.peer, figure.unit)}; ours is {share(figure.share)}"


if __name__ == "__main__":
    sys.stdout.write(page(Report.read(), Record.read()))
