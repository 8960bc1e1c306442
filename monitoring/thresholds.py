"""Every number that a rule compares with, in one place.

Durations are text in Prometheus' notation. Credits are as the API gives them: of the size of USD in every published
example.
"""

from typing import Final

JOB: Final = "bytespike-exporter"
"""The scrape job's name in config/prometheus/prometheus.yml."""

# ---- the success objective -------------------------------------------------------------------------------------------

OBJECTIVE: Final = 0.95
"""The share of tasks that should complete, of those that completed or failed. Cancelled ones are the caller's wish, and
one that is not found was never seen to end: neither is judged."""

ERROR_BUDGET: Final = round(1 - OBJECTIVE, 6)

FASTEST_BURN: Final = 14.4
"""Spends a month's budget in two days; judged over 1h and 5m."""

FAST_BURN: Final = 6
"""Spends a month's budget in five days; judged over 6h and 30m."""

SLOW_BURN: Final = 1
"""Spends the budget just as it comes; judged over 3d and 6h."""

JUDGED_FLOOR: Final = 20
"""Tasks in the longer window below which a burn says nothing."""

# ---- outcomes --------------------------------------------------------------------------------------------------------

SPIKE_RATIO: Final = 0.2
"""The least share of failures that is a spike."""

SPIKE_FACTOR: Final = 3
"""How many times the last day's share it must be."""

SPIKE_FLOOR: Final = 10
"""Tasks that ended within the short window, at least."""

CODE_RATIO: Final = 0.1
"""The least share of tasks that fail with one error code to be a spike of it."""

CODE_FLOOR: Final = 5
"""Tasks that failed with that code within the short window, at least."""

NOT_FOUND_FLOOR: Final = 3
"""Tasks lost within half an hour, at least: one or two are a mistyped id."""

# ---- progress --------------------------------------------------------------------------------------------------------

OPEN_FLOOR: Final = 3
"""Open tasks, at least, to speak of a standstill or of a wave of overdue ones."""

STANDSTILL: Final = "30m"
"""Nothing has finished for so long: ten times what the slowest published model takes."""

OVERDUE_RATIO: Final = 0.5
"""The share of open tasks. Published ETAs are weak: a third of a busy group's tasks may be overdue on a good day."""

STUCK: Final = "2h"
"""No task is meant to be open for so long; the API documents no time limit of its own."""

QUEUE_FACTOR: Final = 3
QUEUE_SECONDS: Final = 60
"""A mean wait that is shorter bothers nobody, whatever it was before."""

ETA_FACTOR: Final = 3
"""Published ETAs are off by up to this factor: beyond it, they mislead."""

VOLUME_FLOOR: Final = 10
"""Observations in the window behind a mean or a quantile, at least."""

# ---- credits ---------------------------------------------------------------------------------------------------------

BURN_FACTOR: Final = 4
"""Times the last day's mean rate: eight busy hours a day are three times that day's mean."""

BURN_CREDITS: Final = 10
"""Credits within the hour, at least."""

ESTIMATE_RATIO: Final = 1.25
"""Credits used / credits estimated."""

ESTIMATE_CREDITS: Final = 5
"""Credits estimated within the window, at least."""

RUNNING_OUT: Final = "4h"
"""Credits that will not last so long call somebody."""

BUCKET_RATIO: Final = 0.1
"""What is left of the tightest spend bucket."""

# ---- the API ---------------------------------------------------------------------------------------------------------

DOWN_RATIO: Final = 0.5
"""The share of requests that get no answer of the API."""

DOWN_FLOOR: Final = 3
"""Requests in five minutes, at least. While the API is down the exporter sends few: about two a minute."""

CONCURRENCY_RATIO: Final = 0.2
"""The share of requests refused because the account's requests in flight are too many."""

SLOW_SECONDS: Final = 2
"""The 95th percentile; the API promises milliseconds."""

# ---- the exporter ----------------------------------------------------------------------------------------------------

STALE: Final = "10m"
"""Twice the longest default poll interval without one validated answer."""

LAG_SECONDS: Final = 15
"""The 90th percentile; three times the default interval between two polls of a task."""

COMMIT_STALE: Final = "5m"
"""Records wait, and none has been committed for so long."""
