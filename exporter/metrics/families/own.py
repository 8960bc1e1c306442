"""The exporter itself: ``bytespike_exporter_…``."""

from enum import StrEnum

from exporter.metrics.family import Counter, Gauge, Histogram, Info, Scope, Stability, each
from exporter.metrics.limits import Limit
from exporter.metrics.traffic import Ending


class Credential(StrEnum):
    """The closed set of ``kind`` on ``bytespike_exporter_credentials_refused_total``."""

    TOKEN = "token"  # noqa: S105 - a name of one
    CALLBACK = "callback"
    BASIC_AUTH = "basic_auth"


LAG_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
GAP_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

POLL_LAG = Histogram(
    "bytespike_exporter_poll_lag_seconds",
    scope=Scope.ACCOUNT,
    unit="seconds",
    buckets=LAG_BUCKETS,
    starts=((),),
    help="Seconds from the time a poll was due to the time it was sent; measured by the exporter.",
)

OBSERVATION_GAP = Histogram(
    "bytespike_exporter_observation_gap_seconds",
    scope=Scope.ACCOUNT,
    unit="seconds",
    buckets=GAP_BUCKETS,
    starts=((),),
    help="Seconds from the last open to the terminal observation: the error bound of durations; as measured.",
)

TASKS_DUE = Gauge(
    "bytespike_exporter_tasks_due",
    scope=Scope.ACCOUNT,
    unit="tasks",
    help="Tasks whose next poll is due and not yet sent; from the exporter's schedule.",
)

OLDEST_DUE = Gauge(
    "bytespike_exporter_oldest_due_timestamp_seconds",
    scope=Scope.ACCOUNT,
    unit="seconds",
    help="Unix seconds when the longest-due poll became due, absent where none is; from the exporter's schedule.",
)

REQUESTS_IN_FLIGHT = Gauge(
    "bytespike_exporter_requests_in_flight",
    scope=Scope.ACCOUNT,
    unit="requests",
    help="Requests sent to the API that are not answered yet, open streams among them; from the exporter.",
)

REQUEST_BUDGET = Gauge(
    "bytespike_exporter_request_budget_ratio",
    scope=Scope.ACCOUNT,
    unit="ratio",
    stability=Stability.EXPERIMENTAL,
    help="Request rate the followed tasks ask for / the rate that may be sent, as a ratio; from the schedule.",
)

ATTAINABLE_INTERVAL = Gauge(
    "bytespike_exporter_attainable_interval_seconds",
    scope=Scope.ACCOUNT,
    unit="seconds",
    stability=Stability.EXPERIMENTAL,
    help="Best mean interval in seconds at which all open tasks could be polled; from the account's limits.",
)

COMMIT_DURATION = Histogram(
    "bytespike_exporter_ledger_commit_duration_seconds",
    scope=Scope.EXPORTER,
    unit="seconds",
    buckets=COMMIT_BUCKETS,
    starts=((),),
    help="Seconds that one commit to the ledger took; measured by the exporter.",
)

LEDGER_PENDING = Gauge(
    "bytespike_exporter_ledger_pending",
    scope=Scope.EXPORTER,
    help="Records that wait to be committed to the ledger; from the exporter's queue.",
)

LEDGER_FAILURES = Counter(
    "bytespike_exporter_ledger_failures_total",
    scope=Scope.EXPORTER,
    starts=((),),
    help="Attempts to commit to the ledger that failed; counted by the exporter.",
)

LEDGER_LAST_COMMIT = Gauge(
    "bytespike_exporter_ledger_last_commit_timestamp_seconds",
    scope=Scope.EXPORTER,
    unit="seconds",
    help="Unix seconds of the ledger's last good commit, absent before it; by the exporter's clock.",
)

SD_REFRESH_FAILURES = Counter(
    "bytespike_exporter_sd_refresh_failures_total",
    scope=Scope.SOURCE,
    starts=((),),
    help="Refreshes of a task source that failed, by group and mechanism; counted by the exporter.",
)

SD_LAST_REFRESH = Gauge(
    "bytespike_exporter_sd_last_refresh_timestamp_seconds",
    scope=Scope.SOURCE,
    unit="seconds",
    help="Unix seconds of a task source's last good refresh, absent before it; by the exporter's clock.",
)

TASK_SERIES_DROPPED = Gauge(
    "bytespike_exporter_task_series_dropped",
    scope=Scope.EXPORTER,
    unit="tasks",
    help="Followed tasks without series of their own, for task_series.limit is reached; from the exporter.",
)

LABELS_OVERFLOWED = Counter(
    "bytespike_exporter_label_values_overflowed_total",
    scope=Scope.EXPORTER,
    labels=("limit",),
    starts=each(Limit),
    help='Label values and label sets replaced by "other", by the limit that was reached; counted by the exporter.',
)

DUPLICATE_TASKS = Gauge(
    "bytespike_exporter_duplicate_tasks",
    scope=Scope.EXPORTER,
    unit="tasks",
    help="Followed tasks that are named more than once, by two sources or under both ids; from the exporter.",
)

CREDENTIALS_REFUSED = Counter(
    "bytespike_exporter_credentials_refused_total",
    scope=Scope.EXPORTER,
    labels=("kind",),
    starts=each(Credential),
    help="Requests with a wrong token, callback secret or password, by kind; counted by the exporter.",
)

HTTP_CONNECTIONS = Gauge(
    "bytespike_exporter_http_connections",
    scope=Scope.EXPORTER,
    unit="connections",
    help="Connections to the exporter's web server that are open; from the server.",
)

HTTP_CONNECTIONS_LIMIT = Gauge(
    "bytespike_exporter_http_connections_limit",
    scope=Scope.EXPORTER,
    unit="connections",
    help="Connections that may be open before the idle ones make room, by descriptors; from the server.",
)

HTTP_CONNECTIONS_CLOSED = Counter(
    "bytespike_exporter_http_connections_closed_total",
    scope=Scope.EXPORTER,
    labels=("reason",),
    unit="connections",
    starts=each(Ending),
    help="Connections that the exporter closed on their other end, by reason; counted by the exporter.",
)

LOG_LINES_DROPPED = Counter(
    "bytespike_exporter_log_lines_dropped_total",
    scope=Scope.EXPORTER,
    unit="lines",
    starts=((),),
    help="Lines of the log that were dropped, for whoever reads them is too slow; counted by the exporter.",
)

CLOCK_STEPS = Counter(
    "bytespike_exporter_clock_steps_total",
    scope=Scope.EXPORTER,
    starts=((),),
    help="Steps of the wall clock; what was open across one is in no histogram of durations; seen by the exporter.",
)

RELOAD_SUCCESSFUL = Gauge(
    "bytespike_exporter_config_last_reload_successful",
    scope=Scope.EXPORTER,
    help="1 when the last attempt to load the configuration succeeded, else 0; from the exporter.",
)

RELOAD_SUCCESS = Gauge(
    "bytespike_exporter_config_last_reload_success_timestamp_seconds",
    scope=Scope.EXPORTER,
    unit="seconds",
    help="Unix seconds of the last good load of the configuration; by the exporter's clock.",
)

CONFIG_INFO = Info(
    "bytespike_exporter_config_info",
    scope=Scope.EXPORTER,
    labels=("sha256",),
    help="Always 1: a hash of the configuration in force without secrets, the same on all replicas; from the file.",
)

ACCOUNT_OWNED = Gauge(
    "bytespike_exporter_account_owned",
    scope=Scope.ACCOUNT,
    help="1 where this exporter is the one that asks about the account's tasks, else 0; from the lease.",
)

BUILD_INFO = Info(
    "bytespike_exporter_build_info",
    scope=Scope.EXPORTER,
    labels=("version", "revision", "python_version"),
    help="Always 1: the exporter's version and revision and the Python that runs it; from the build.",
)
