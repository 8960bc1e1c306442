"""Every figure of ``docs/performance.md``: the exporter's cost, the peer's in the same run, the goal.

``python -m benchmarks.report`` measures them all, each part in a process of its own, and prints the table, within ten
minutes on two cores. ``--json FILE`` keeps them for the page and its charts; ``--only PART`` measures less, and leaves
the rest of the file as it is.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Self

from benchmarks._figures import Figure, Goal, Unit

PARTS = ("poll", "exchange", "whole", "scrape", "observe", "commit", "arrival", "memory", "restart", "cadence", "crowd")
"""The modules of this package that have ``figures``."""

FILE = Path(__file__).resolve().parents[1] / "docs" / "performance.json"
"""Where the figures are kept that the page shows."""


@dataclass(frozen=True, slots=True)
class Report:
    """Figures by part, and what they were measured on."""

    figures: Mapping[str, Sequence[Figure]]
    machine: Mapping[str, str]

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """What was kept."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            {part: [figure_of(each) for each in found] for part, found in kept["figures"].items()}, kept["machine"]
        )

    def line(self, name: str) -> list[Figure]:
        """The figures of one thing at several sizes, in order."""
        return sorted(
            (figure for found in self.figures.values() for figure in found if figure.line == name),
            key=lambda figure: figure.at,
        )

    def kept(self, key: tuple[str, str]) -> Figure:
        """The figure that is known by this; raises KeyError."""
        return {figure.key: figure for found in self.figures.values() for figure in found}[key]

    def as_json(self) -> str:
        figures = {part: [_rounded(figure) for figure in found] for part, found in self.figures.items()}
        return json.dumps({"machine": self.machine, "figures": figures}, indent=1) + "\n"


def measured(part: str) -> Iterator[Figure]:
    """The figures of one part, measured in this process."""
    yield from import_module(f"benchmarks.{part}").figures()


def table(figures: Sequence[Figure]) -> Iterator[str]:
    """In Markdown, which reads well as it is, too."""
    yield "| what | it costs | beside it | costs | ours is | goal | |"
    yield "|---|---|---|---|---|---|---|"
    for figure in figures:
        cost, peer = shown(figure.cost, figure.unit), shown(figure.peer, figure.unit)
        reached = {True: "reached", False: "**not yet**", None: ""}[figure.is_reached]
        cells = (
            figure.name,
            cost,
            figure.peer_name,
            peer,
            share(figure.share),
            goal(figure.goal, figure.unit),
            reached,
        )
        yield f"| {' | '.join(cells)} |"


def shown(cost: float, unit: Unit) -> str:
    """With three digits, in the unit that fits."""
    if unit is Unit.BYTES:
        return f"{cost:,.0f} B"
    for size, name in ((1.0, "s"), (1e-3, "ms")):
        if cost >= size:
            return f"{cost / size:.3g} {name}"
    return f"{cost * 1e6:.3g} µs"


def share(value: float) -> str:
    """Of a peer's cost."""
    return f"1/{1 / value:.3g}" if value <= 0.5 else f"{value:.2f} times"


def goal(wanted: Goal, unit: Unit) -> str:
    """In words; nothing where there is none."""
    parts = [share(wanted.share)] if wanted.share is not None else []
    return ", ".join([*parts, *([shown(wanted.cost, unit)] if wanted.cost is not None else [])])


def _rounded(figure: Figure) -> dict[str, Any]:
    """Four digits are more than can be measured; what is as it always is is left out."""
    told = {**asdict(figure), "goal": {name: most for name, most in asdict(figure.goal).items() if most is not None}}
    for name in ("cost", "peer", "at", "peer_at"):
        told[name] = float(f"{told[name]:.4g}")
    return {name: value for name, value in told.items() if value not in ("", {}, 0.0)}


def figure_of(told: Mapping[str, Any]) -> Figure:
    """From what the report has as JSON."""
    return Figure(**{**told, "unit": Unit(told["unit"]), "goal": Goal(**told.get("goal", {}))})


def _machine() -> dict[str, str]:
    cores = os.cpu_count()
    model = next(
        (line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")), platform.machine()
    )
    return {"processor": model, "cores": str(cores), "python": platform.python_version(), "system": platform.system()}


def _cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _apart(part: str) -> list[Figure]:
    """The figures of one part, from a process that did nothing before."""
    command = [sys.executable, "-m", "benchmarks.report", "--part", part]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [figure_of(each) for each in json.loads(said)]


def _beside(figures: Mapping[str, Sequence[Figure]], kept: Path) -> dict[str, Sequence[Figure]]:
    """These, and the others that are kept, in the order of the parts."""
    known = {**Report.read(kept).figures, **figures} if kept.exists() else figures
    return {part: known[part] for part in PARTS if part in known}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--part", choices=PARTS, help="print the figures of one part as JSON, measured in this process")
    parser.add_argument("--first", type=int, help="with --part: no more than so many of them")
    asked = parser.parse_args(arguments)
    if asked.part:
        with redirect_stdout(sys.stderr):  # what a part says besides
            found = list(islice(measured(asked.part), asked.first))
        print(json.dumps([_rounded(figure) for figure in found]))
        return
    figures = {}
    for part in asked.only:
        began = time.monotonic()
        figures[part] = _apart(part)
        print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print("\n".join(table([figure for found in figures.values() for figure in found])))
    if asked.json:
        asked.json.write_text(Report(_beside(figures, asked.json), _machine()).as_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
