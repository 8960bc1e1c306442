"""Nothing has become far dearer beside its peer than it is kept in ``docs/performance.json``.

Ratios alone are compared, of CPU times that were measured in turns in one process: the machine's speed is in neither.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.page import MARGIN
from benchmarks.report import Report, figure_of

PROJECT = Path(__file__).parents[2]

CHEAP = {"observe": 2, "commit": 1, "poll": 1, "scrape": 2}
"""The parts, and how many of their figures, that need seconds."""


def dearer(part: str, figures: int) -> dict[tuple[str, str], float]:
    """How many times as large a ratio is as it was, where that is too much. In a process without coverage."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-m", "benchmarks.report", "--part", part, "--first", str(figures)]
    said = subprocess.run(command, cwd=PROJECT, env=clean, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    kept, found = Report.read(), [figure_of(each) for each in json.loads(said)]
    times = {figure.key: figure.share / kept.kept(figure.key).share for figure in found}
    return {key: by for key, by in times.items() if by > MARGIN}


@pytest.mark.e2e
@pytest.mark.long
@pytest.mark.parametrize(("part", "figures"), CHEAP.items())
def test_no_ratio_is_far_worse_than_it_was(part: str, figures: int) -> None:
    # whoever else is at work may have hit one side alone: then once more
    assert dearer(part, figures) == {} or dearer(part, figures) == {}
