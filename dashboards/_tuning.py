"""For the person who tunes: what the cadence gains, whether the request budget is enough, what the exporter costs."""

from dashboards._board import Row
from dashboards._links import EXPORTER, GROUP_AND_MODEL, OVERVIEW, TASKS, to
from dashboards._look import notice_above
from dashboards._panels import stat
from dashboards._promql import ANSWERED, OPEN, RATE, of_exporters, quantile
from dashboards._thresholds import BUDGET

WINDOW, SECONDS = "15m", 900
GAP = "bytespike_exporter_observation_gap_seconds"
POLLS = f'sum(increase(bytespike_api_requests_total{{endpoint="tasks/query"}}[{WINDOW}]))'
MEAN_GAP = f"sum(increase({GAP}_sum[{WINDOW}])) / (sum(increase({GAP}_count[{WINDOW}])) > 0)"
IN_HAND = f"avg_over_time((sum(bytespike_tasks{OPEN} and {ANSWERED}) or vector(0))[{WINDOW}:15s])"
"""Open tasks, without the time in which they only waited: that no poll was sent then is no gain."""

FIXED = f"({SECONDS} * {IN_HAND} / ({MEAN_GAP}) > 0)"
"""Polls of the same open tasks at one interval, the one that would notice ends as exactly: its gap is the interval."""

TUNING = Row(
    "What does the cadence gain, and what does it cost?",
    [
        stat(
            "Polls sent / fixed",
            "Polls sent in 15 minutes / those that a fixed interval would have sent which notices ends as exactly: one "
            "of the mean observation gap. Below 100 % the cadence saves the rest. "
            "The time in which an account is not answered does not count.",
            f"{POLLS} / {FIXED}",
            unit="percentunit",
            decimals=0,
            empty="not known",
            links=[to(TASKS)],
        ),
        stat(
            "Polls per ended task",
            "Polls sent in 15 minutes / tasks that ended in them.",
            f"{POLLS} / (sum(increase(bytespike_tasks_finished_total[{WINDOW}])) > 0)",
            unit="none",
            decimals=1,
            empty="no task ended",
            links=[to(TASKS)],
        ),
        stat(
            "Observation gap p50",
            "From the last answer that showed a task open to the one that showed it ended, the median of 15 minutes: "
            "no duration is known more exactly.",
            quantile(0.5, GAP, WINDOW),
            unit="s",
            decimals=1,
            empty="no task ended",
            links=[to(TASKS)],
        ),
        stat(
            "Observation gap p95",
            "The same for 95 of 100 tasks.",
            quantile(0.95, GAP, WINDOW),
            unit="s",
            decimals=1,
            empty="no task ended",
            links=[to(TASKS)],
        ),
        stat(
            "Asked / allowed",
            "Polls that the followed tasks ask for / those that the account's limits allow, of the busiest account "
            "that is answered. Above 100 % tasks are polled less often than their ETAs ask for, and nothing is lost: "
            "allow more only where your own traffic leaves room, else let poll.min_interval be longer.",
            f"max(bytespike_exporter_request_budget_ratio and {ANSWERED})",
            unit="percentunit",
            decimals=0,
            thresholds=notice_above(BUDGET),
            empty="not known",
            links=[to(EXPORTER), to(OVERVIEW)],
        ),
        stat(
            "Requests a second",
            "Requests sent to the API, all accounts together: the exporter's share of what they may send.",
            f"sum(rate(bytespike_api_requests_total[{RATE}]))",
            unit="none",
            decimals=2,
            links=[to(EXPORTER)],
        ),
        stat(
            "CPU",
            "Cores that the exporters use.",
            f"sum({of_exporters(f'rate(process_cpu_seconds_total[{RATE}])')})",
            unit="none",
            decimals=3,
            links=[to(EXPORTER)],
        ),
        stat(
            "Memory",
            "Resident memory of the exporters.",
            f"sum({of_exporters('process_resident_memory_bytes')})",
            unit="bytes",
            decimals=0,
            links=[to(EXPORTER)],
        ),
        stat(
            "Scrape duration",
            "How long the slowest exporter's scrape takes.",
            f"max({of_exporters('scrape_duration_seconds')})",
            unit="s",
            decimals=0,
            links=[to(EXPORTER)],
        ),
        stat(
            "Samples per scrape",
            "What the exporters give to Prometheus each time: most of it are series of single tasks.",
            f"sum({of_exporters('scrape_samples_scraped')})",
            unit="short",
            links=[to(TASKS)],
        ),
        stat(
            "Tasks a minute",
            "Tasks that came to be followed, a minute.",
            f"60 * sum(rate(bytespike_tasks_followed_total[{RATE}]))",
            unit="none",
            decimals=1,
            links=[to(GROUP_AND_MODEL)],
        ),
        stat(
            "Open tasks",
            "Tasks that have not ended: what all of this is spent on.",
            f"sum(bytespike_tasks{OPEN})",
            unit="short",
            links=[to(TASKS)],
        ),
    ],
)
