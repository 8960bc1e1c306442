"""Every number that a rule compares with, in one place. ``monitoring.values`` reads others from a file.

Durations are text in Prometheus' notation. Credits are as the API gives them: of the size of USD in every published
example.
"""

from dataclasses import dataclass
from typing import Final

from monitoring.rule import Sites


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What the rules compare with."""

    job: str = "bytespike-exporter"
    """The scrape job's name in config/prometheus/prometheus.yml."""

    grafana: str = ""
    """Where Grafana is, such as https://grafana.example: ``dashboard_url`` begins with it. Without it, it is a path."""

    exporter: str = ""
    """Where a browser reaches the exporter, such as https://exporter.example: ``tasks_url`` begins with it. Without it,
    no alert has that link."""

    # ---- the success objective ---------------------------------------------------------------------------------------

    objective: float = 0.95
    """The share of tasks that should complete, of those that completed or failed. Cancelled ones are the caller's wish,
    and one that is not found was never seen to end: neither is judged."""

    wave_burn: float = 11
    """More than half of all tasks: whoever orders feels it now, whatever is left of the month's budget; judged over 15m
    and 5m. Where four in five fail it takes ten minutes: no less than ten bad ones call somebody."""

    fastest_burn: float = 14.4
    """Spends a month's budget in two days; judged over 1h and 5m."""

    fast_burn: float = 6
    """Spends a month's budget in five days; judged over 6h and 30m."""

    slow_burn: float = 1
    """Spends the budget just as it comes; judged over 3d and 6h."""

    judged_floor: float = 20
    """Tasks in the longer window below which a burn says nothing."""

    # ---- outcomes ----------------------------------------------------------------------------------------------------

    spike_ratio: float = 0.2
    """The least share of failures that is a spike."""

    spike_factor: float = 3
    """How many times the last day's share it must be."""

    spike_floor: float = 10
    """Tasks that ended within the short window, at least."""

    code_ratio: float = 0.1
    """The least share of tasks that fail with one error code to be a spike of it."""

    code_floor: float = 5
    """Tasks that failed with that code within the short window, at least."""

    nothing_succeeds_floor: float = 3
    """Tasks that failed within four hours, at least, while none completed: too few for any share, and too many."""

    not_found_floor: float = 3
    """Tasks lost within half an hour, at least: one or two are a mistyped id."""

    # ---- progress ----------------------------------------------------------------------------------------------------

    open_floor: float = 3
    """Open tasks, at least, to speak of a standstill or of a wave of overdue ones."""

    standstill: str = "30m"
    """Nothing has finished for so long: ten times what the slowest published model takes."""

    overdue_ratio: float = 0.5
    """The share of open tasks. Published ETAs are weak: a third of a busy group's may be overdue on a good day."""

    stuck: str = "2h"
    """No task is meant to be open for so long; the API documents no time limit of its own."""

    queue_factor: float = 3
    """Times the last day's mean wait."""

    queue_seconds: float = 60
    """A mean wait that is shorter bothers nobody, whatever it was before."""

    eta_factor: float = 3
    """Published ETAs are off by up to this factor: beyond it, they mislead."""

    volume_floor: float = 10
    """Observations in the window behind a mean or a quantile, at least."""

    # ---- credits -----------------------------------------------------------------------------------------------------

    burn_factor: float = 4
    """Times the last day's mean rate: eight busy hours a day are three times that day's mean."""

    burn_peak_factor: float = 1.5
    """Times the last day's busiest hour: the batch of every night is no news."""

    burn_credits: float = 10
    """Credits within the hour, at least."""

    estimate_ratio: float = 1.25
    """Credits used / credits estimated."""

    estimate_credits: float = 5
    """Credits estimated within the window, at least."""

    running_out: str = "4h"
    """Credits that will not last so long call somebody."""

    running_out_share: float = 0.5
    """Of the most that there was within a day: with more than that left, a course that ends is a burst."""

    nearly_out_share: float = 0.25
    """Likewise: below it the last hour's course alone is enough, whatever the hours before were like."""

    bucket_ratio: float = 0.1
    """What is left of the tightest spend bucket."""

    # ---- the API -----------------------------------------------------------------------------------------------------

    down_ratio: float = 0.5
    """The share of requests that get no answer of the API."""

    down_floor: float = 3
    """Requests in five minutes, at least. While the API is down the exporter sends few: about two a minute."""

    unanswered: str = "10m"
    """Twice the longest default poll interval without one validated answer, and the last one was none."""

    concurrency_ratio: float = 0.2
    """The share of requests refused because the account's requests in flight are too many."""

    slow_seconds: float = 2
    """The 95th percentile; the API promises milliseconds."""

    # ---- the sidecar -------------------------------------------------------------------------------------------------

    submissions_ratio: float = 0.5
    """The share of submissions that the API refuses, the caller's own faults aside: of two clients one may fail."""

    submissions_floor: float = 10
    """Submissions refused within five minutes, at least: a client that tries now and then is no crowd."""

    unanswered_ratio: float = 0.5
    """The share of requests through the sidecar that get no answer."""

    unanswered_floor: float = 10
    """Requests without an answer within five minutes, at least: one that hangs for a minute is tried five times."""

    # ---- the exporter ------------------------------------------------------------------------------------------------

    restarts: float = 3
    """Starts within twenty minutes: two deployments in a row are two."""

    restarts_1h: float = 5
    """Starts within an hour, of a loop that turns more slowly."""

    gaps: float = 3
    """Times within twenty minutes that scrapes fail, and succeed again: two deployments in a row are two."""

    stalled: str = "5m"
    """A poll has been due, and no answer has come, for so long."""

    lag_seconds: float = 15
    """The 90th percentile; three times the default interval between two polls of a task."""

    waiting: str = "2m"
    """A poll that is due waits for so long, and is not sent yet."""

    commit_stale: str = "5m"
    """Records wait, and none has been committed for so long."""

    commit_failing: str = "2m"
    """Commits fail, and none has succeeded for so long."""

    commit_failures: float = 10
    """Commits that failed within half an hour, at least, where others succeed in between."""

    refresh_stale: str = "10m"
    """A source fails and has not been read well for so long: two refreshes of a file."""

    @property
    def sites(self) -> Sites:
        return Sites(self.grafana, self.exporter)

    @property
    def error_budget(self) -> float:
        return round(1 - self.objective, 6)


DEFAULTS: Final = Thresholds()


# ---- as rules and their texts write them -----------------------------------------------------------------------------


def at_least(number: float) -> str:
    """``>=`` for what an increase estimates of a few events: three are 2.99 or 3.1, and two are never 2.5."""
    return f"> {number - 0.5:g}"


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{round(100 * share, 4):g}%"


# ---- what dashboards draw as well ------------------------------------------------------------------------------------

JOB: Final = DEFAULTS.job
OBJECTIVE: Final = DEFAULTS.objective
OVERDUE_RATIO: Final = DEFAULTS.overdue_ratio
ETA_FACTOR: Final = DEFAULTS.eta_factor
ESTIMATE_RATIO: Final = DEFAULTS.estimate_ratio
BUCKET_RATIO: Final = DEFAULTS.bucket_ratio
DOWN_RATIO: Final = DEFAULTS.down_ratio
SLOW_SECONDS: Final = DEFAULTS.slow_seconds
LAG_SECONDS: Final = DEFAULTS.lag_seconds
