"""Tasks take too long."""

from monitoring.rule import Alert, Severity
from monitoring.thresholds import (
    ETA_FACTOR,
    OPEN_FLOOR,
    OVERDUE_RATIO,
    QUEUE_FACTOR,
    QUEUE_SECONDS,
    STANDSTILL,
    STUCK,
    VOLUME_FLOOR,
)

OPEN = "group:bytespike_tasks_open:sum"
OVERDUE = "group:bytespike_tasks_overdue:sum"
AGE = "time() - group:bytespike_tasks_oldest_submit_timestamp_seconds:min"
QUEUE = "group:bytespike_tasks_queue_duration_seconds"
ETA = "group:bytespike_tasks_eta_ratio:median_rate1h"

# The age keeps it quiet when tasks have only just come after a silence.
STANDSTILL_EXPR = f"""\
{OPEN} >= {OPEN_FLOOR}
and group:bytespike_tasks_finished:rate30m == 0
and {AGE} > {STANDSTILL}"""

OVERDUE_EXPR = f"""\
{OVERDUE} / ({OPEN} > 0) > {OVERDUE_RATIO}
and {OVERDUE} >= {OPEN_FLOOR}"""

QUEUE_EXPR = f"""\
{QUEUE}:mean_rate15m > {QUEUE_SECONDS}
and {QUEUE}:mean_rate15m > {QUEUE_FACTOR} * (
  {QUEUE}:mean_rate1d offset 15m
)
and {QUEUE}_count:rate15m * 15m >= {VOLUME_FLOOR}"""

ETA_EXPR = f"""\
({ETA} > {ETA_FACTOR} or {ETA} < 1 / {ETA_FACTOR})
and sum without (instance, model) (increase(bytespike_tasks_eta_ratio_count[1h])) >= {VOLUME_FLOOR}"""

ALERTS = (
    Alert(
        name="ByteSpikeNothingFinishing",
        severity=Severity.CRITICAL,
        expr=STANDSTILL_EXPR,
        wait="5m",
        summary="Tasks are open, and none has finished for half an hour.",
        description=(
            "{{ $value }} tasks are open in group {{ $labels.group }} (account {{ $labels.account }}), and none has "
            "finished for 30 minutes."
        ),
    ),
    Alert(
        name="ByteSpikeTasksOverdue",
        severity=Severity.WARNING,
        expr=OVERDUE_EXPR,
        wait="15m",
        summary="Most open tasks are far older than their ETA.",
        description=(
            "{{ $value | humanizePercentage }} of the open tasks of group {{ $labels.group }} (account "
            "{{ $labels.account }}) are overdue."
        ),
    ),
    Alert(
        name="ByteSpikeTaskStuck",
        severity=Severity.INFO,
        expr=f"{AGE} > {STUCK}",
        wait="5m",
        summary="A task has been open for hours.",
        description=(
            "The oldest open task of group {{ $labels.group }} (account {{ $labels.account }}) was submitted "
            "{{ $value | humanizeDuration }} ago."
        ),
    ),
    Alert(
        name="ByteSpikeQueueTimeGrowing",
        severity=Severity.WARNING,
        expr=QUEUE_EXPR,
        wait="10m",
        summary="Tasks wait much longer than usual before they run.",
        description=(
            "Tasks of group {{ $labels.group }} (account {{ $labels.account }}) waited "
            "{{ $value | humanizeDuration }} on average within 15 minutes."
        ),
    ),
    Alert(
        name="ByteSpikeETAOff",
        severity=Severity.INFO,
        expr=ETA_EXPR,
        wait="30m",
        summary="The API's ETAs are wrong by a large factor.",
        description=(
            "Half of the tasks of group {{ $labels.group }} (account {{ $labels.account }}) took more than "
            '{{ $value | printf "%.1f" }} times their ETA within an hour, half took less.'
        ),
    ),
)
