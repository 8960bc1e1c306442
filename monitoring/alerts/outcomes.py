"""Tasks fail, or are lost."""

from monitoring.rule import Alert, Severity
from monitoring.thresholds import (
    CODE_FLOOR,
    CODE_RATIO,
    ERROR_BUDGET,
    FAST_BURN,
    FASTEST_BURN,
    JUDGED_FLOOR,
    NOT_FOUND_FLOOR,
    OBJECTIVE,
    SLOW_BURN,
    SPIKE_FACTOR,
    SPIKE_FLOOR,
    SPIKE_RATIO,
)

RATIO = "group:bytespike_tasks_failed_per_judged:ratio_rate"
CODE = "group_code:bytespike_tasks_failed_per_judged:ratio_rate"
JUDGED = "group:bytespike_tasks_judged:rate"
CODE_FAILED = "group_code:bytespike_tasks_failed:rate"

NOT_FOUND = f"""\
sum without (instance, model, status) (
  increase(bytespike_tasks_finished_total{{status="not_found"}}[30m])
) >= {NOT_FOUND_FLOOR}"""


def _spike(ratio: str, *, least: float, volume: str, floor: int, of: str = "") -> str:
    """A share far above its own baseline, the day before the short window: a spike is not compared with itself.

    Where the share was never seen that day, or nothing ended, it is usually 0; where nobody looked, nothing is usual.
    """
    return f"""\
{ratio}10m > {least}
and {ratio}10m > {SPIKE_FACTOR} * (
  {ratio}1d offset 10m
  or (0 * {ratio}10m and {of}{JUDGED}1d offset 10m)
)
and {volume}10m * 10m >= {floor}"""


def _burn(rate: float, *, long: str, short: str) -> str:
    """The budget is spent so many times as fast as it comes, and still is: the short window lets the alert clear."""
    limit = f"{rate * ERROR_BUDGET:g}"
    return f"""\
  {RATIO}{long} > {limit}
  and {RATIO}{short} > {limit}
  and {JUDGED}{long} * {long} >= {JUDGED_FLOOR}"""


FASTEST = _burn(FASTEST_BURN, long="1h", short="5m")
FAST = _burn(FAST_BURN, long="6h", short="30m")
SLOW = _burn(SLOW_BURN, long="3d", short="6h")

ALERTS = (
    Alert(
        name="ByteSpikeFailureSpike",
        severity=Severity.WARNING,
        expr=_spike(RATIO, least=SPIKE_RATIO, volume=JUDGED, floor=SPIKE_FLOOR),
        wait="5m",
        keep="10m",  # failures come in bursts: one alert for all of them
        summary="Far more tasks fail than usual.",
        description=(
            "{{ $value | humanizePercentage }} of the tasks that ended within 10 minutes in group {{ $labels.group }} "
            "(account {{ $labels.account }}) failed."
        ),
    ),
    Alert(
        name="ByteSpikeErrorCodeSpike",
        severity=Severity.WARNING,
        expr=_spike(CODE, least=CODE_RATIO, volume=CODE_FAILED, floor=CODE_FLOOR, of="ignoring (error_code) "),
        wait="5m",
        keep="10m",
        summary="Tasks fail with one error code far more often than usual.",
        description=(
            "{{ $value | humanizePercentage }} of the tasks that ended within 10 minutes in group {{ $labels.group }} "
            "(account {{ $labels.account }}) failed with {{ $labels.error_code }}."
        ),
    ),
    Alert(
        name="ByteSpikeSuccessBudgetBurningFast",
        severity=Severity.CRITICAL,
        expr=f"(\n{FASTEST}\n) or (\n{FAST}\n)",
        wait="2m",  # the windows have waited already
        summary="So many tasks fail that the month's error budget will be gone within days.",
        description=(
            "{{ $value | humanizePercentage }} of the tasks of group {{ $labels.group }} (account "
            f"{{{{ $labels.account }}}}) failed within hours; the objective allows {ERROR_BUDGET:.0%}."
        ),
    ),
    Alert(
        name="ByteSpikeSuccessBudgetBurningSlowly",
        severity=Severity.WARNING,
        expr=f"(\n{SLOW}\n)",
        wait="1h",  # what takes a month to do harm can wait an hour
        summary="More tasks fail than the success objective allows.",
        description=(
            "{{ $value | humanizePercentage }} of the tasks of group {{ $labels.group }} (account "
            f"{{{{ $labels.account }}}}) failed within three days; {OBJECTIVE:.0%} should complete."
        ),
    ),
    Alert(
        name="ByteSpikeTasksNotFound",
        severity=Severity.WARNING,
        expr=NOT_FOUND,
        wait="5m",
        summary="The API does not know tasks that it should know.",
        description=(
            '{{ $value | printf "%.0f" }} tasks of group {{ $labels.group }} (account {{ $labels.account }}) were '
            "given up as not found within 30 minutes."
        ),
    ),
)
