"""Expressions that several panels share. ``by`` are the labels that are told apart; a window is a PromQL duration."""

from dashboards._query import Query

OPEN = '{status=~"pending|running|unobserved|unknown"}'
"""Behind ``bytespike_tasks``: tasks that have not ended."""

OBSERVED = '{status=~"pending|running|unknown"}'
"""Those of them that some answer has told of: only of these it is known whether they are late."""

ON_ACCOUNT = "on (job, instance, account)"
ANSWERED = f"{ON_ACCOUNT} bytespike_up == 1"
"""Behind ``and``: only what belongs to accounts whose last poll was answered. What the others do is not known."""

RATE = "$__rate_interval"
"""For rates over time."""

EXPORTERS = "last_over_time(bytespike_exporter_build_info[1d])"
"""Every exporter that could be scraped within the last day."""

RECENT = "5m"
"""For what is so now: a wave shows within minutes."""

HOUR = "1h"
"""Beside it: long enough for a few tasks to end."""


def success(window: str, *by: str) -> str:
    """Completed / completed and failed; what was cancelled or lost does not count."""
    completed = total('increase(bytespike_tasks_finished_total{status="completed"}[' + window + "])", *by)
    decided = total('increase(bytespike_tasks_finished_total{status=~"completed|failed"}[' + window + "])", *by)
    return f"{completed} / ({decided} > 0)"


def known(expr: str, *by: str) -> str:
    """Nothing while no account is answered (of those that the labels name): then the last minutes are missing."""
    return f"{expr} and on ({', '.join(by)}) bytespike_up == 1"


def unanswered(*by: str) -> str:
    """Open tasks of the accounts whose last poll was not answered; 0 where all were."""
    none = f"0 * {total(f'bytespike_tasks{OPEN}', *by)}"
    return f"{total(f'bytespike_tasks{OPEN} and {ON_ACCOUNT} bytespike_up == 0', *by)} or {none}"


def longest_due(*by: str) -> str:
    """Seconds for which the longest-due poll had waited at the last scrape; 0 where none was due.

    Not until now: since then it may have been sent.
    """
    function = f"max by ({', '.join(by)})" if by else "max"
    due = "bytespike_exporter_oldest_due_timestamp_seconds"
    return f"{function} (timestamp({due}) - {due}) or 0 * {function} (bytespike_up)"


def quantile(share: float, histogram: str, window: str, *by: str, matchers: str = "", among: str = "") -> str:
    """A quantile of a histogram's observations, estimated from its buckets; nothing where nothing was observed."""
    function = "rate" if window == RATE else "increase"
    buckets = total(f"{function}({histogram}_bucket{matchers}[{window}]){among and f' and {among}'}", *by, "le")
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
    down = f"bytespike_up == 0 and {ON_ACCOUNT} sum by (job, instance, account) (bytespike_tasks{OPEN}) > 0"
    return f"{function} (bytespike_up == 1 or {down}) or 2 + 0 * {function} (bytespike_up)"


def of_exporters(expr: str) -> str:
    """Only what exporters have: "All" jobs are all that this Prometheus scrapes, its own among them."""
    return f"{expr} and on (job, instance) {EXPORTERS}"


def named(expr: str, label: str) -> str:
    """With a ``name`` for the legend, also where there is no such label: a task whose model nobody told.

    The label itself stays as it is, for links.
    """
    shown = f'label_replace({expr}, "name", "$1", "{label}", "(.+)")'
    return f'label_replace({shown}, "name", "(no {label})", "{label}", "")'


def all_where_none(expr: str, label: str) -> str:
    """ "All", which is what Grafana's variables take for everything, where there is no such label."""
    return f'label_replace({expr}, "{label}", "All", "{label}", "")'


def total(expr: str, *by: str) -> str:
    """The sum, for each value of the labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def spread(histogram: str, *, matchers: str = "", exemplars: bool = False) -> tuple[Query, ...]:
    """How a histogram's observations are spread over time: their median and the two quantiles above."""
    return tuple(
        # where nothing was observed a quantile is NaN: no number, but a name in the legend
        Query(
            f"{quantile(share, histogram, RATE, matchers=matchers)} >= 0", name, exemplars=exemplars and share == 0.99
        )
        for share, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))
    )
