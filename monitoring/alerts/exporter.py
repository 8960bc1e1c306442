"""The exporter does not see, or does not keep, what happens."""

from monitoring.rule import Alert, Severity
from monitoring.thresholds import COMMIT_STALE, JOB, LAG_SECONDS, STALE

SUCCESS_AGE = "time() - bytespike_api_last_success_timestamp_seconds"
COMMIT_AGE = "time() - bytespike_exporter_ledger_last_commit_timestamp_seconds"
LAG = "account:bytespike_exporter_poll_lag_seconds:p90_rate10m"

# Polls are due and nothing is heard. An account that is held back says so by itself.
STALLED = f"""\
{SUCCESS_AGE} > {STALE}
and bytespike_exporter_tasks_due > 0
unless max without (reason) (bytespike_api_suspended) == 1"""

# Not one of them: whether none is known to Prometheus, or none of those that are can be scraped.
NONE_SCRAPED = f"""\
absent(up{{job="{JOB}"}})
or max without (instance) (up{{job="{JOB}"}}) == 0"""

COMMITS = f"""\
{COMMIT_AGE} > {COMMIT_STALE}
and min_over_time(bytespike_exporter_ledger_pending[5m]) > 0"""

ALERTS = (
    Alert(
        name="ByteSpikeExporterAbsent",
        severity=Severity.CRITICAL,
        expr=NONE_SCRAPED,
        wait="5m",
        summary="No exporter is scraped.",
        description="Prometheus scrapes no target of job {{ $labels.job }}: nothing is being watched.",
    ),
    Alert(
        name="ByteSpikeExporterDown",
        severity=Severity.CRITICAL,
        expr=f'up{{job="{JOB}"}} == 0',
        wait="5m",
        summary="The exporter cannot be scraped.",
        description="Prometheus gets no metrics from {{ $labels.instance }}: nothing there is being watched.",
    ),
    Alert(
        name="ByteSpikePollingStalled",
        severity=Severity.CRITICAL,
        expr=STALLED,
        wait="5m",
        summary="The exporter has stopped asking about tasks.",
        description=(
            "Polls of account {{ $labels.account }} are due on {{ $labels.instance }}, and the last answer came "
            "{{ $value | humanizeDuration }} ago."
        ),
    ),
    Alert(
        name="ByteSpikePollingLagging",
        severity=Severity.WARNING,
        expr=f"{LAG} > {LAG_SECONDS}\nunless max without (instance, reason) (bytespike_api_suspended) == 1",
        wait="10m",
        keep="5m",  # the quantile jumps from bucket to bucket
        summary="Tasks are polled later than they should be.",
        description=(
            "One poll in ten of account {{ $labels.account }} was sent more than {{ $value | humanizeDuration }} "
            "late: durations are that much less exact."
        ),
    ),
    Alert(
        name="ByteSpikeLedgerStalled",
        severity=Severity.CRITICAL,
        expr=COMMITS,
        wait="5m",
        summary="The exporter cannot write down what it has seen.",
        description=(
            "The last commit to the ledger of {{ $labels.instance }} was {{ $value | humanizeDuration }} ago, and "
            "records wait: the counters of tasks stand still."
        ),
    ),
    Alert(
        name="ByteSpikeLedgerFailing",
        severity=Severity.WARNING,
        expr="increase(bytespike_exporter_ledger_failures_total[10m]) > 0",
        wait="10m",
        summary="Commits to the exporter's ledger fail.",
        description=(
            '{{ $value | printf "%.0f" }} commits to the ledger of {{ $labels.instance }} failed within 10 minutes.'
        ),
    ),
    Alert(
        name="ByteSpikeDiscoveryFailing",
        severity=Severity.WARNING,
        expr="increase(bytespike_exporter_sd_refresh_failures_total[15m]) > 0",
        wait="15m",
        summary="A source of tasks cannot be read.",
        description=(
            '{{ $value | printf "%.0f" }} refreshes of {{ $labels.mechanism }} of group {{ $labels.group }} failed '
            "within 15 minutes: the tasks it named last are still followed, new ones are not seen."
        ),
    ),
    Alert(
        name="ByteSpikeConfigReloadFailed",
        severity=Severity.WARNING,
        expr="bytespike_exporter_config_last_reload_successful == 0",
        wait="5m",
        summary="The exporter's configuration could not be reloaded.",
        description="{{ $labels.instance }} goes on with the configuration it had before.",
    ),
    Alert(
        name="ByteSpikeTaskSeriesLimitReached",
        severity=Severity.INFO,
        expr="bytespike_exporter_task_series_dropped > 0",
        wait="15m",
        summary="More tasks are followed than may have series of their own.",
        description="{{ $value }} tasks on {{ $labels.instance }} have no series of their own.",
    ),
    Alert(
        name="ByteSpikeLabelLimitReached",
        severity=Severity.INFO,
        expr="increase(bytespike_exporter_label_values_overflowed_total[1h]) > 0",
        wait="5m",
        summary="There are more label values, or combinations of them, than are told apart.",
        description=(
            '{{ $value | printf "%.0f" }} times within an hour {{ $labels.instance }} wrote "other" into labels, for '
            "global.{{ $labels.limit }}.limit is reached."
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
