"""What was measured, as a part of the page of alerts."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from monitoring.reaction.figures import Figures
from monitoring.reaction.measure import Reaction
from monitoring.reaction.rules import ALWAYS
from monitoring.reaction.situations import Situation
from monitoring.rule import Alert

QUIET = "\N{EN DASH}"
WIDTH = 120
TITLE = "## How soon each comes"

INTRODUCTION = """\
From the cause to the alert, as promtool measures it on made-up series: an exporter's life is played through, with the
exporter's own limits, back-off and counting, scraped and judged once a minute. `python -m monitoring.reaction` measures
anew and `make docs` prints it here; tests hold it against what has to come in which situation, and what may not. Add
half a minute for scrape and evaluation, and Alertmanager's `group_wait`. What another alert keeps back is in the table
all the same.
"""


def section(figures: Figures, situations: Sequence[Situation], alerts: Sequence[Alert]) -> Iterator[str]:
    """The lines of the table, and what stands around it. A situation in which all keep quiet has no column."""
    shown = [situation for situation in situations if figures.situations[situation.name]]
    told = [alert for alert in alerts if alert.name != ALWAYS]
    fired = {alert for reactions in figures.situations.values() for alert in reactions}
    yield from (TITLE, "", *INTRODUCTION.splitlines(), "")
    yield from (f"- **{situation.name}**: {situation.tells}" for situation in situations)
    yield ""
    yield f"| alert | severity | {' | '.join(situation.name for situation in shown)} |"
    yield f"|---|---|{'---|' * len(shown)}"
    for alert in told:
        if alert.name in fired:
            cells = (cell(figures.situations[situation.name].get(alert.name)) for situation in shown)
            yield f"| {alert.name} | {alert.severity} | {' | '.join(cells)} |"
    yield ""
    quiet = ", ".join(situation.name for situation in situations if situation not in shown)
    yield f"Nothing comes in these: {quiet}."
    yield ""
    silent = ", ".join(alert.name for alert in told if alert.name not in fired)
    yield from wrap(f"In none of them comes: {silent}.", WIDTH)
    yield ""


def cell(reaction: Reaction | None) -> str:
    """One reaction: how long it takes, how often it comes if more than once, how long it lasts."""
    if reaction is None:
        return QUIET
    often = f", {reaction.times} times" if reaction.times > 1 else ""
    return f"{length(reaction.after)}{often}"


def length(minutes: int) -> str:
    """Minutes, in hours where they are many."""
    return f"{minutes} min" if minutes < 180 else f"{minutes / 60:.1f} h"
