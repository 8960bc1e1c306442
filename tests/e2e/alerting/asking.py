"""The dashboards' queries, asked of the running Prometheus as Grafana would ask them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.dashboards.boards import Asked, of_annotations, of_panels, of_variables
from tests.e2e.alerting.story import Phase
from tests.support.monitoring import Prometheus

VARIABLE = re.compile(r"\$(\w+)")
ANY = ".*"

RATE_INTERVAL = "2s"
"""Eight scrapes: Grafana takes four at least."""

STEPS = 60
"""Points of a graph: about one a second."""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody looks at: a time, and what is chosen in the variables; all of those that are not named."""

    name: str
    phase: Phase
    chosen: Mapping[str, str]


def asked() -> Iterator[Asked]:
    """Every query of every dashboard."""
    yield from (*of_panels(), *of_variables(), *of_annotations())


def is_answered(prometheus: Prometheus, asked: Asked, view: View) -> bool:
    """Whether a range query and an instant one at its end both bring data."""
    now = prometheus.instant(filled(asked.raw, view), view.phase.end)
    return bool(now) and is_answered_over_time(prometheus, asked, view)


def is_answered_over_time(prometheus: Prometheus, asked: Asked, view: View) -> bool:
    """Whether a range query brings data."""
    start, end = view.phase.start, view.phase.end
    return bool(prometheus.range(filled(asked.raw, view), start, end, step=(end - start) / STEPS))


def filled(expr: str, view: View) -> str:
    """The expression with Grafana's variables filled in."""
    seconds = f"{max(1, round(view.phase.end - view.phase.start))}s"
    expr = expr.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", seconds)
    return VARIABLE.sub(lambda found: view.chosen.get(found[1], ANY), expr)
