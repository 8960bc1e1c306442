"""Measure anew how soon each alert comes: ``python -m monitoring.reaction``, and then ``make docs``.

It takes some minutes: promtool lives through days, minute by minute. ``PROMTOOL`` names another one than that on the
path.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from monitoring.reaction import rules
from monitoring.reaction.figures import Figures, dump
from monitoring.reaction.measure import Reaction, measured
from monitoring.reaction.situations import Situation, lived, situations


def main() -> int:
    """Measure all situations; the exit status."""
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if promtool is None:
        sys.stderr.write("promtool is not installed: it comes with Prometheus\n")
        return 2
    groups = rules.shipped()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reactions = dict(pool.map(partial(_of, promtool, groups), situations()))
    dump(Figures(rules.digest(groups), reactions))
    return 0


def _of(promtool: str, groups: rules.Groups, situation: Situation) -> tuple[str, Mapping[str, Reaction]]:
    found = measured(promtool, situation, lived(situation, rules.read(groups)), groups)
    sys.stderr.write(f"{situation.name}: {len(found)} alerts\n")
    return situation.name, found


if __name__ == "__main__":
    sys.exit(main())
