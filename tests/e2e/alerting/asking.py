"""The dashboards' queries, asked of the running Prometheus as Grafana would ask them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitoring.durations import duration, seconds
from tests.dashboards.boards import Asked, of_annotations, of_panels, of_variables
from tests.e2e.alerting.stack import SPEED
from tests.e2e.alerting.story import Phase
from tests.support.monitoring import Prometheus

VARIABLE = re.compile(r"\$(\w+)")
ANY = ".*"

SCRAPE_SECONDS = seconds("15s") / SPEED

STEPS = 100
"""Points of a graph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What somebody looks at: a phase, and what is chosen in the variables; all of those that are not named.

    ``now`` (Unix seconds) is when they look, for what shows no course of time.
    """

    phase: Phase
    now: float
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.phase.end - self.phase.start

    @property
    def step(self) -> float:
        """Seconds between two points."""
        return self.seconds / STEPS

    @property
    def rate_interval(self) -> float:
        """Seconds, as Grafana has it: four scrapes at least, and one more than from point to point."""
        return max(4 * SCRAPE_SECONDS, self.step + SCRAPE_SECONDS)


def asked() -> Iterator[Asked]:
    """Every query of every dashboard."""
    yield from (*of_panels(), *of_variables(), *of_annotations())


def is_answered(prometheus: Prometheus, asked: Asked, view: View) -> bool:
    """Whether a range query brings data; and an instant one too, where it is asked so."""
    now = not asked.is_instant or is_answered_now(prometheus, asked, view)
    return now and is_answered_over_time(prometheus, asked, view)


def is_answered_now(prometheus: Prometheus, asked: Asked, view: View) -> bool:
    """Whether an instant query brings data."""
    return bool(prometheus.instant(filled(asked.raw, view), view.now))


def is_answered_over_time(prometheus: Prometheus, asked: Asked, view: View) -> bool:
    """Whether a range query brings data."""
    return bool(prometheus.range(filled(asked.raw, view), view.phase.start, view.phase.end, step=view.step))


def filled(expr: str, view: View) -> str:
    """The expression with Grafana's variables filled in."""
    expr = expr.replace("$__rate_interval", duration(view.rate_interval)).replace("$__range", duration(view.seconds))
    return VARIABLE.sub(lambda found: view.chosen.get(found[1], ANY), expr)
