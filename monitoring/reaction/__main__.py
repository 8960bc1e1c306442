"""Measure anew how soon each alert comes: ``python -m monitoring.reaction [SITUATION...]``, and then ``make docs``.

It takes some minutes: promtool lives through days, minute by minute. Where only situations have changed, and no rule,
it is enough to name them. ``PROMTOOL`` names another one than that on the path.
"""

import os
import shutil
import sys
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from monitoring.reaction import rules
from monitoring.reaction.figures import Figures, dump, load
from monitoring.reaction.measure import Reaction, measured
from monitoring.reaction.situations import Situation, lived, situations


def main(names: Collection[str]) -> int:
    """Measure these situations, all where none is named; the exit status."""
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if promtool is None:
        sys.stderr.write("promtool is not installed: it comes with Prometheus\n")
        return 2
    groups, every = rules.shipped(), tuple(situations())
    if unknown := set(names) - {situation.name for situation in every}:
        sys.stderr.write(f"no such situation: {', '.join(sorted(unknown))}\n")
        return 2
    known = load() if names else Figures(rules.digest(groups), {})
    if known.rules != rules.digest(groups):
        sys.stderr.write("the rules have changed: name no situation, for all are to be measured\n")
        return 2
    wanted = [situation for situation in every if not names or situation.name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reactions = dict(pool.map(partial(_of, promtool, groups), wanted))
    found = {**known.situations, **reactions}
    dump(Figures(known.rules, {situation.name: found[situation.name] for situation in every}))
    return 0


def _of(promtool: str, groups: rules.Groups, situation: Situation) -> tuple[str, Mapping[str, Reaction]]:
    found = measured(promtool, situation, lived(situation, rules.read(groups)), groups)
    sys.stderr.write(f"{situation.name}: {len(found)} alerts\n")
    return situation.name, found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
