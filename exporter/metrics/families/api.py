"""The upstream API: ``bytespike_up`` and ``bytespike_api_…``."""

from exporter.dispatcher.answer import Drift, Reason
from exporter.metrics.family import Counter, Gauge, Histogram, Scope, Stability, each

ENDPOINT = "tasks/query"
"""The endpoint that is called for every account."""

STREAM_ENDPOINT = "tasks/stream"
"""The endpoint that has series only for the accounts that stream."""

SUSPENDING = tuple(reason for reason in Reason if reason is not Reason.BAD_REQUEST)
"""The reasons an account can be held back for: all but the one that speaks of a single task, however often it comes."""

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

UP = Gauge(
    "bytespike_up",
    scope=Scope.ACCOUNT,
    help="1 when the account's last poll got a validated answer of the API (a task's 404 is one), else 0.",
)

REQUESTS = Counter(
    "bytespike_api_requests_total",
    scope=Scope.ACCOUNT,
    labels=("endpoint",),
    unit="requests",
    starts=each([ENDPOINT]),
    later=each([STREAM_ENDPOINT]),
    help="Requests sent to the API, whatever came of them; counted by the exporter.",
)

REQUEST_FAILURES = Counter(
    "bytespike_api_request_failures_total",
    scope=Scope.ACCOUNT,
    labels=("endpoint", "reason"),
    unit="requests",
    starts=each([ENDPOINT], Reason),
    later=each([STREAM_ENDPOINT], Reason),
    help="Requests to the API that got no validated answer, by reason; counted by the exporter.",
)

REQUEST_DURATION = Histogram(
    "bytespike_api_request_duration_seconds",
    scope=Scope.ACCOUNT,
    labels=("endpoint",),
    unit="seconds",
    buckets=LATENCY_BUCKETS,
    starts=each([ENDPOINT]),
    later=each([STREAM_ENDPOINT]),
    help="Seconds from sending a request to the end of its answer (a stream's headers); measured by the exporter.",
)

LAST_SUCCESS = Gauge(
    "bytespike_api_last_success_timestamp_seconds",
    scope=Scope.ACCOUNT,
    unit="seconds",
    help="Unix seconds of the API's last validated answer, absent before it; by the exporter's clock.",
)

QUOTA_REMAINING = Gauge(
    "bytespike_api_quota_remaining_credits",
    scope=Scope.ACCOUNT,
    unit="credits",
    help="Credits left of the key's lifetime quota, documented as USD; from X-Quota-Remaining-Credits.",
)

ORG_QUOTA_REMAINING = Gauge(
    "bytespike_api_org_quota_remaining_credits",
    scope=Scope.ACCOUNT,
    unit="credits",
    help="Credits left in the organisation's wallet, documented as USD; from X-Org-Quota-Remaining-Credits.",
)

RATE_LIMIT = Gauge(
    "bytespike_api_rate_limit_usd",
    scope=Scope.ACCOUNT,
    unit="usd",
    stability=Stability.EXPERIMENTAL,
    help="Cap in USD of the tightest spend bucket, whichever it is at the moment; from X-RateLimit-Limit.",
)

RATE_LIMIT_REMAINING = Gauge(
    "bytespike_api_rate_limit_remaining_usd",
    scope=Scope.ACCOUNT,
    unit="usd",
    stability=Stability.EXPERIMENTAL,
    help="USD left in the tightest spend bucket, whichever it is at the moment; from X-RateLimit-Remaining.",
)

RATE_LIMIT_RESET = Gauge(
    "bytespike_api_rate_limit_reset_timestamp_seconds",
    scope=Scope.ACCOUNT,
    unit="seconds",
    stability=Stability.EXPERIMENTAL,
    help="Unix seconds at which the tightest spend bucket resets, whichever it is; from X-RateLimit-Reset.",
)

SUSPENDED = Gauge(
    "bytespike_api_suspended",
    scope=Scope.ACCOUNT,
    labels=("reason",),
    starts=each(SUSPENDING),
    help="1 while polling of the account is held back for this reason, else 0; decided by the exporter.",
)

SCHEMA_DRIFT = Counter(
    "bytespike_api_schema_drift_total",
    scope=Scope.ACCOUNT,
    labels=("kind",),
    starts=each(Drift),
    help="Departures of valid answers from the API's documentation, by kind; counted by the exporter.",
)
