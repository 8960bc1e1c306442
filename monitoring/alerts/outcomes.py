"""Tasks fail, or are lost."""

from monitoring.rule import Alert, Severity
from monitoring.thresholds import Thresholds, at_least, percent

RATIO = "group:bytespike_tasks_failed_per_judged:ratio_rate"
CODE = "group_code:bytespike_tasks_failed_per_judged:ratio_rate"
JUDGED = "group:bytespike_tasks_judged:rate"
CODE_FAILED = "group_code:bytespike_tasks_failed:rate"


def alerts(t: Thresholds) -> tuple[Alert, ...]:
    """All of them."""
    return (
        Alert(
            name="ByteSpikeFailureSpike",
            tasks="status=failed&sort=-ended",
            severity=Severity.WARNING,
            expr=_spike(RATIO, t, least=t.spike_ratio, volume=JUDGED, floor=t.spike_floor),
            wait="5m",
            keep="10m",  # failures come in bursts: one alert for all of them
            summary="Far more tasks fail than usual.",
            description=(
                "{{ $value | humanizePercentage }} of the tasks that ended within 10 minutes in group "
                "{{ $labels.group }} (account {{ $labels.account }}) failed."
            ),
        ),
        Alert(
            name="ByteSpikeErrorCodeSpike",
            tasks="status=failed&sort=-ended",
            severity=Severity.WARNING,
            expr=_spike(
                CODE, t, least=t.code_ratio, volume=CODE_FAILED, floor=t.code_floor, of="ignoring (error_code) "
            ),
            wait="5m",
            keep="10m",
            summary="Tasks fail with one error code far more often than usual.",
            description=(
                "{{ $value | humanizePercentage }} of the tasks that ended within 10 minutes in group "
                "{{ $labels.group }} (account {{ $labels.account }}) failed with {{ $labels.error_code }}."
            ),
        ),
        Alert(
            name="ByteSpikeSuccessBudgetBurningFast",
            tasks="status=failed&sort=-ended",
            severity=Severity.CRITICAL,
            expr=_burning_fast(t),
            wait="2m",  # the windows have waited already
            keep="1h",  # a batch that fails each hour is one trouble, and calls somebody once
            summary="So many tasks fail that the month's error budget will be gone within days.",
            description=(
                "{{ $value | humanizePercentage }} of the tasks of group {{ $labels.group }} (account "
                "{{ $labels.account }}) failed within a quarter of an hour or more; the objective allows "
                f"{percent(t.error_budget)}."
            ),
        ),
        Alert(
            name="ByteSpikeSuccessBudgetBurningSlowly",
            tasks="status=failed&sort=-ended",
            severity=Severity.WARNING,
            expr=f"(\n{_burn(t, t.slow_burn, long='3d', short='6h')}\n)",
            wait="1h",  # what takes a month to do harm can wait an hour
            summary="More tasks fail than the success objective allows.",
            description=(
                "{{ $value | humanizePercentage }} of the tasks of group {{ $labels.group }} (account "
                f"{{{{ $labels.account }}}}) failed within three days; {percent(t.objective)} should complete."
            ),
        ),
        Alert(
            name="ByteSpikeNothingSucceeds",
            tasks="status=failed&sort=-ended",
            severity=Severity.WARNING,
            expr=_nothing_succeeds(t),
            wait="5m",
            summary="Tasks fail, and none has completed for hours.",
            description=(
                '{{ $value | printf "%.0f" }} tasks of group {{ $labels.group }} (account {{ $labels.account }}) '
                "failed within 4 hours, and none completed."
            ),
        ),
        Alert(
            name="ByteSpikeTasksNotFound",
            tasks="status=not_found&sort=-ended",
            severity=Severity.WARNING,
            expr=_not_found(t),
            wait="5m",
            summary="The API does not know tasks that it should know.",
            description=(
                '{{ $value | printf "%.0f" }} tasks of group {{ $labels.group }} (account {{ $labels.account }}) were '
                "given up as not found within 30 minutes."
            ),
        ),
    )


def _spike(ratio: str, t: Thresholds, *, least: float, volume: str, floor: float, of: str = "") -> str:
    """A share far above its own baseline, the day before the short window: a spike is not compared with itself.

    Where the share was never seen that day, or nothing ended, it is usually 0; where nobody looked, nothing is usual.
    """
    return f"""\
{ratio}10m > {least:g}
and {ratio}10m > {t.spike_factor:g} * (
  {ratio}1d offset 10m
  or (0 * {ratio}10m and {of}{JUDGED}1d offset 10m)
)
and {volume}10m * 10m >= {floor:g}"""


def _burning_fast(t: Thresholds) -> str:
    wave = _burn(t, t.wave_burn, long="15m", short="5m")
    fastest = _burn(t, t.fastest_burn, long="1h", short="5m")
    fast = _burn(t, t.fast_burn, long="6h", short="30m")
    return f"(\n{wave}\n) or (\n{fastest}\n) or (\n{fast}\n)"


def _burn(t: Thresholds, rate: float, *, long: str, short: str) -> str:
    """The budget is spent so many times as fast as it comes, and still is: the short window lets the alert clear."""
    limit = f"{rate * t.error_budget:g}"
    return f"""\
  {RATIO}{long} > {limit}
  and {RATIO}{short} > {limit}
  and {JUDGED}{long} * {long} >= {t.judged_floor:g}"""


def _nothing_succeeds(t: Thresholds) -> str:
    """For groups of a task now and then, where no share says anything."""
    return f"""\
sum without (instance, model, status) (
  increase(bytespike_tasks_finished_total{{status="failed"}}[4h])
) {at_least(t.nothing_succeeds_floor)}
and sum without (instance, model, status) (
  increase(bytespike_tasks_finished_total{{status="completed"}}[4h])
) == 0"""


def _not_found(t: Thresholds) -> str:
    return f"""\
sum without (instance, model, status) (
  increase(bytespike_tasks_finished_total{{status="not_found"}}[30m])
) {at_least(t.not_found_floor)}"""
