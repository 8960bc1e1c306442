"""Expressions that several panels share. ``by`` are the labels that are told apart; a window is a PromQL duration."""

from dashboards._query import Query

OPEN = '{status=~"pending|running|unknown"}'
"""Behind ``bytespike_tasks``: tasks that have not ended."""

RATE = "$__rate_interval"
"""For rates over time."""

EXPORTERS = "last_over_time(bytespike_exporter_build_info[1d])"
"""Every exporter that could be scraped within the last day."""

NOW = "1h"
"""For the numbers that say how it is now: long enough for a few tasks to end, short enough to be news."""


def success(window: str, *by: str) -> str:
    """Completed / completed and failed; what was cancelled or lost does not count."""
    completed = total('increase(bytespike_tasks_finished_total{status="completed"}[' + window + "])", *by)
    decided = total('increase(bytespike_tasks_finished_total{status=~"completed|failed"}[' + window + "])", *by)
    return f"{completed} / ({decided} > 0)"


def quantile(share: float, histogram: str, window: str, *by: str, matchers: str = "") -> str:
    """A quantile of a histogram's observations, estimated from its buckets; nothing where nothing was observed."""
    function = "rate" if window == RATE else "increase"
    buckets = total(f"{function}({histogram}_bucket{matchers}[{window}])", *by, "le")
    return f"histogram_quantile({share}, {buckets})"


def mean(histogram: str, window: str, *by: str) -> str:
    """The mean of a histogram's observations."""
    function = "rate" if window == RATE else "increase"
    values = total(f"{function}({histogram}_sum[{window}])", *by)
    return f"{values} / ({total(f'{function}({histogram}_count[{window}])', *by)} > 0)"


def api(*by: str) -> str:
    """Whether the API answers: 1 yes, 0 no, 2 where that is not known, for there is nothing to ask about.

    The exporter has 0 until an account's first answer, and an account without open tasks is not polled.
    """
    function = f"min by ({', '.join(by)})" if by else "min"
    on = "job, instance, account"
    down = f"bytespike_up == 0 and on ({on}) sum by ({on}) (bytespike_tasks{OPEN}) > 0"
    return f"{function} (bytespike_up == 1 or {down}) or 2 + 0 * {function} (bytespike_up)"


def of_exporters(expr: str) -> str:
    """Only what exporters have: "All" jobs are all that this Prometheus scrapes, its own among them."""
    return f"{expr} and on (job, instance) {EXPORTERS}"


def named(expr: str, label: str) -> str:
    """A legend for what has no such label, too: a task whose model nobody told."""
    return f'label_replace({expr}, "{label}", "(no {label})", "{label}", "")'


def total(expr: str, *by: str) -> str:
    """The sum, for each value of the labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def spread(histogram: str, *, matchers: str = "", exemplars: bool = False) -> tuple[Query, ...]:
    """How a histogram's observations are spread over time: what half, 90 % and 99 % of them stayed below."""
    return tuple(
        # where nothing was observed a quantile is NaN: no number, but a name in the legend
        Query(
            f"{quantile(share, histogram, RATE, matchers=matchers)} >= 0", name, exemplars=exemplars and share == 0.99
        )
        for share, name in ((0.5, "half"), (0.9, "90 %"), (0.99, "99 %"))
    )
