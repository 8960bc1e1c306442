"""The exporter does not see, or does not keep, what happens."""

from monitoring.rule import Alert, Board, Severity
from monitoring.thresholds import Thresholds, at_least

# The clocks of exporter and Prometheus may differ by minutes: what goes on changing is not old, whatever its age.
HEARD = "bytespike_api_last_success_timestamp_seconds"
DUE = "bytespike_exporter_oldest_due_timestamp_seconds"
DUE_AGE = f"time() - {DUE}"
COMMIT = "bytespike_exporter_ledger_last_commit_timestamp_seconds"
COMMIT_AGE = f"time() - {COMMIT}"
REFRESH_AGE = "time() - bytespike_exporter_sd_last_refresh_timestamp_seconds"
LAG = "account:bytespike_exporter_poll_lag_seconds:p90_rate10m"

COMMIT_FAILURES = "increase(bytespike_exporter_ledger_failures_total[30m])"
REFRESH_FAILURES = "bytespike_exporter_sd_refresh_failures_total"
START = "process_start_time_seconds"


def alerts(t: Thresholds) -> tuple[Alert, ...]:
    """All of them."""
    return (*_is_there(t), *_sees(t), *_keeps(t), *_limits())


def _is_there(t: Thresholds) -> tuple[Alert, ...]:
    # not one of them: whether none is known to Prometheus, or none of those that are can be scraped
    none_scraped = f"""\
absent(up{{job="{t.job}"}})
or max without (instance) (up{{job="{t.job}"}}) == 0"""

    # each is counted while the exporter is there or not, so that its absences do not begin the wait anew
    restarting = f"""\
changes({START}{{job="{t.job}"}}[1h]) >= {t.restarts_1h:g}
or changes({START}{{job="{t.job}"}}[20m]) >= {t.restarts:g}"""

    # each scrape that fails makes every series end for a moment, and every alert wait anew
    down = f"""\
up{{job="{t.job}"}} == 0
or changes(up{{job="{t.job}"}}[20m]) >= {2 * t.gaps:g}
unless changes({START}{{job="{t.job}"}}[20m]) >= {t.restarts:g}"""

    return (
        Alert(
            name="ByteSpikeExporterAbsent",
            severity=Severity.CRITICAL,
            expr=none_scraped,
            wait="5m",
            board=Board.EXPORTER,
            summary="No exporter is scraped.",
            description="Prometheus scrapes no target of job {{ $labels.job }}: nothing is being watched.",
        ),
        Alert(
            name="ByteSpikeExporterDown",
            severity=Severity.CRITICAL,
            expr=down,
            wait="5m",
            board=Board.EXPORTER,
            summary="The exporter cannot be scraped.",
            description=(
                "Prometheus gets no metrics from {{ $labels.instance }}, or only now and then: nothing there is being "
                "watched."
            ),
        ),
        Alert(
            name="ByteSpikeExporterRestarting",
            severity=Severity.CRITICAL,
            expr=restarting,
            wait="2m",  # the window has waited already
            board=Board.EXPORTER,
            summary="The exporter starts again and again.",
            description=(
                "{{ $labels.instance }} was started anew {{ $value }} times in a short while. Each time other alerts "
                "begin to wait anew: as long as it goes on, hardly any of them can fire."
            ),
        ),
    )


def _sees(t: Thresholds) -> tuple[Alert, ...]:
    # polls are due, and nothing is heard. An account that is held back says so by itself
    stalled = f"""\
{DUE_AGE} > {t.stalled}
unless changes({HEARD}[{t.stalled}]) > 0
unless max without (reason) (bytespike_api_suspended) == 1"""

    # what is sent late is in the histogram; what waits and is not sent is not
    lagging = f"""\
(
  {LAG} > {t.lag_seconds:g}
  or time() - min without (instance) ({DUE} unless changes({DUE}[{t.waiting}]) > 0) > {t.waiting}
)
unless max without (instance, reason) (bytespike_api_suspended) == 1"""

    # a source that never was read has no age at all. Of a refused registration its sender knows: they are told of here
    # where they do not cease
    failing = f"""\
(
  increase({REFRESH_FAILURES}{{mechanism!="api"}}[1h]) > 0
  unless {REFRESH_AGE} <= {t.refresh_stale}
)
or increase({REFRESH_FAILURES}{{mechanism="api"}}[5m]) > 0"""

    return (
        Alert(
            name="ByteSpikePollingStalled",
            tasks="status=open&sort=asked",
            severity=Severity.CRITICAL,
            expr=stalled,
            wait="5m",
            board=Board.EXPORTER,
            summary="The exporter has stopped asking about tasks.",
            description=(
                "A poll of account {{ $labels.account }} has been due for {{ $value | humanizeDuration }} on "
                "{{ $labels.instance }}, and no answer comes."
            ),
        ),
        Alert(
            name="ByteSpikePollingLagging",
            tasks="status=open&sort=asked",
            severity=Severity.WARNING,
            expr=lagging,
            wait="10m",
            keep="5m",  # the quantile jumps from bucket to bucket
            board=Board.EXPORTER,
            summary="Tasks are polled later than they should be.",
            description=(
                "Polls of account {{ $labels.account }} are sent, or still wait, {{ $value | humanizeDuration }} late: "
                "durations are that much less exact."
            ),
        ),
        Alert(
            name="ByteSpikeDiscoveryFailing",
            severity=Severity.WARNING,
            expr=failing,
            wait="10m",
            board=Board.EXPORTER,
            summary="A source of tasks cannot be read.",
            description=(
                "{{ $labels.mechanism }} of group {{ $labels.group }} fails, and has not once been read well of late: "
                "the tasks it named last are still followed, new ones are not seen."
            ),
        ),
    )


def _keeps(t: Thresholds) -> tuple[Alert, ...]:
    # where nothing was committed since the start, it counts from there
    stalled = f"""\
time() - ({COMMIT} or {START}) > {t.commit_stale}
and min_over_time(bytespike_exporter_ledger_pending[5m]) > 0
unless changes({COMMIT}[{t.commit_stale}]) > 0"""

    # either none succeeds, or so many fail that it is no accident
    failing = f"""\
(
  {COMMIT_FAILURES} > 0
  and bytespike_exporter_ledger_pending > 0
  unless {COMMIT_AGE} <= {t.commit_failing}
)
or {COMMIT_FAILURES} {at_least(t.commit_failures)}"""

    return (
        Alert(
            name="ByteSpikeLedgerStalled",
            severity=Severity.CRITICAL,
            expr=stalled,
            wait="5m",
            board=Board.EXPORTER,
            summary="The exporter cannot write down what it has seen.",
            description=(
                "The last commit to the ledger of {{ $labels.instance }} was {{ $value | humanizeDuration }} ago, and "
                "records wait: the counters of tasks stand still."
            ),
        ),
        Alert(
            name="ByteSpikeLedgerFailing",
            severity=Severity.WARNING,
            expr=failing,
            wait="5m",
            board=Board.EXPORTER,
            summary="Commits to the exporter's ledger fail.",
            description=(
                '{{ $value | printf "%.0f" }} commits to the ledger of {{ $labels.instance }} failed within 30 minutes.'
            ),
        ),
    )


def _limits() -> tuple[Alert, ...]:
    return (
        Alert(
            name="ByteSpikeConfigReloadFailed",
            severity=Severity.WARNING,
            expr="bytespike_exporter_config_last_reload_successful == 0",
            wait="5m",
            board=Board.EXPORTER,
            summary="The exporter's configuration could not be reloaded.",
            description="{{ $labels.instance }} goes on with the configuration it had before.",
        ),
        Alert(
            name="ByteSpikeTaskSeriesLimitReached",
            severity=Severity.INFO,
            expr="bytespike_exporter_task_series_dropped > 0",
            wait="15m",
            board=Board.EXPORTER,
            summary="More tasks are followed than may have series of their own.",
            description="{{ $value }} tasks on {{ $labels.instance }} have no series of their own.",
        ),
        Alert(
            name="ByteSpikeLabelLimitReached",
            severity=Severity.INFO,
            expr="increase(bytespike_exporter_label_values_overflowed_total[1h]) > 0",
            wait="5m",
            board=Board.EXPORTER,
            summary="There are more label values, or combinations of them, than are told apart.",
            description=(
                '{{ $value | printf "%.0f" }} times within an hour {{ $labels.instance }} wrote "other" into labels, '
                "for global.{{ $labels.limit }}.limit is reached."
            ),
        ),
        Alert(
            name="ByteSpikeWatchdog",
            severity=Severity.INFO,
            expr="vector(1) == 1",
            wait="",
            summary="This alert always fires, to show that alerts arrive.",
            description="Where it stops arriving, Prometheus, Alertmanager or the way from them is broken.",
        ),
    )
