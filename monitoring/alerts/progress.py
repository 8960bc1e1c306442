"""Tasks take too long."""

from monitoring.durations import duration, seconds
from monitoring.rule import Alert, Severity
from monitoring.thresholds import Thresholds, at_least

OPEN = "group:bytespike_tasks_open:sum"
OBSERVED = "group:bytespike_tasks_observed:sum"
OVERDUE = "group:bytespike_tasks_overdue:sum"
AGE = "time() - group:bytespike_tasks_oldest_submit_timestamp_seconds:min"
QUEUE = "group:bytespike_tasks_queue_duration_seconds"
ETA = "group:bytespike_tasks_eta_ratio:median_rate1h"


def alerts(t: Thresholds) -> tuple[Alert, ...]:
    """All of them."""
    return (
        Alert(
            name="ByteSpikeNothingFinishing",
            tasks="status=open&sort=submitted",
            severity=Severity.CRITICAL,
            expr=_standstill(t),
            wait="5m",
            summary="New tasks come, and none has finished for half an hour.",
            description=(
                "{{ $value }} tasks are open in group {{ $labels.group }} (account {{ $labels.account }}), some of "
                f"them new, and none has finished for {t.standstill}."
            ),
        ),
        Alert(
            name="ByteSpikeTasksOverdue",
            tasks="overdue=yes&sort=-progress",
            severity=Severity.WARNING,
            expr=_overdue(t),
            wait="15m",
            summary="Most open tasks are far older than their ETA.",
            description=(
                "{{ $value | humanizePercentage }} of the open tasks of group {{ $labels.group }} (account "
                "{{ $labels.account }}) are overdue."
            ),
        ),
        Alert(
            name="ByteSpikeTaskStuck",
            tasks="status=open&sort=submitted",
            severity=Severity.INFO,
            expr=f"{AGE} > {t.stuck}",
            wait="5m",
            summary="A task has been open for hours.",
            description=(
                "The oldest open task of group {{ $labels.group }} (account {{ $labels.account }}) was submitted "
                "{{ $value | humanizeDuration }} ago."
            ),
        ),
        Alert(
            name="ByteSpikeQueueTimeGrowing",
            tasks="status=pending&sort=submitted",
            severity=Severity.WARNING,
            expr=_queue(t),
            wait="10m",
            summary="Tasks wait much longer than usual before they run.",
            description=(
                "Tasks of group {{ $labels.group }} (account {{ $labels.account }}) waited "
                "{{ $value | humanizeDuration }} on average within 15 minutes."
            ),
        ),
        Alert(
            name="ByteSpikeETAOff",
            tasks="status=completed&sort=-progress",
            severity=Severity.INFO,
            expr=_eta(t),
            wait="30m",
            summary="The API's ETAs are wrong by a large factor.",
            description=(
                "Half of the tasks of group {{ $labels.group }} (account {{ $labels.account }}) took more than "
                '{{ $value | printf "%.1f" }} times their ETA within an hour, half took less.'
            ),
        ),
    )


def _standstill(t: Thresholds) -> str:
    """Nothing ends, although tasks came since the last one did, and have had time to.

    Tasks that hang while no new ones come are TaskStuck's; a batch that has only just come says nothing yet. Where few
    tasks come, that takes three times as long to tell. Tasks of which every status is unknown have no age.
    """
    length = seconds(t.standstill)
    usual = _unfinished(t, over=length, old=length / 2)
    seldom = _unfinished(t, over=3 * length, old=length)
    return f"""\
{OPEN} >= {t.open_floor:g}
unless {AGE} <= {t.standstill}
and (
{usual}
  or {seldom.lstrip()}
)"""


def _unfinished(t: Thresholds, *, over: float, old: float) -> str:
    """None has finished for ``over`` seconds, in which enough tasks came at least ``old`` seconds ago."""
    return f"""\
  sum without (instance, model) (
    increase(bytespike_tasks_followed_total[{duration(over - old)}] offset {duration(old)})
  ) {at_least(t.open_floor)}
  and sum without (instance, model, status) (
    increase(bytespike_tasks_finished_total[{duration(over)}])
  ) == 0"""


def _overdue(t: Thresholds) -> str:
    """Of those that the API has spoken of: what was never asked about has no ETA."""
    return f"""\
{OVERDUE} / ({OBSERVED} > 0) > {t.overdue_ratio:g}
and {OVERDUE} >= {t.open_floor:g}"""


def _queue(t: Thresholds) -> str:
    return f"""\
{QUEUE}:mean_rate15m > {t.queue_seconds:g}
and {QUEUE}:mean_rate15m > {t.queue_factor:g} * (
  {QUEUE}:mean_rate1d offset 15m
)
and {QUEUE}_count:rate15m * 15m >= {t.volume_floor:g}"""


def _eta(t: Thresholds) -> str:
    return f"""\
({ETA} > {t.eta_factor:g} or {ETA} < 1 / {t.eta_factor:g})
and sum without (instance, model) (increase(bytespike_tasks_eta_ratio_count[1h])) >= {t.volume_floor:g}"""
