"""The upstream API: ``bytespike_up`` and ``bytespike_api_…``."""

from exporter.dispatcher.answer import Drift, Reason
from exporter.metrics.family import Family, Scope, Stability, Type, each

ENDPOINT = "tasks/query"
"""The endpoint that is called for every account. ``tasks/stream`` has series only for the accounts that stream."""

SUSPENDING = tuple(reason for reason in Reason if reason is not Reason.BAD_REQUEST)
"""The reasons an account can be held back for: all but the one that speaks of a single task, however often it comes."""

LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

FAMILIES: tuple[Family, ...] = (
    Family(
        "bytespike_up",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        help="1 when the account's last poll got a validated answer of the API (a task's 404 is one), else 0.",
    ),
    Family(
        "bytespike_api_requests_total",
        type=Type.COUNTER,
        scope=Scope.ACCOUNT,
        labels=("endpoint",),
        unit="requests",
        starts=each([ENDPOINT]),
        help="Requests sent to the API, whatever came of them; counted by the exporter.",
    ),
    Family(
        "bytespike_api_request_failures_total",
        type=Type.COUNTER,
        scope=Scope.ACCOUNT,
        labels=("endpoint", "reason"),
        unit="requests",
        starts=each([ENDPOINT], Reason),
        help="Requests to the API that got no validated answer, by reason; counted by the exporter.",
    ),
    Family(
        "bytespike_api_request_duration_seconds",
        type=Type.HISTOGRAM,
        scope=Scope.ACCOUNT,
        labels=("endpoint",),
        unit="seconds",
        buckets=LATENCY,
        starts=each([ENDPOINT]),
        help="Seconds from sending a request to the end of its answer (a stream's headers); measured by the exporter.",
    ),
    Family(
        "bytespike_api_last_success_timestamp_seconds",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="seconds",
        help="Unix seconds of the API's last validated answer, absent before it; by the exporter's clock.",
    ),
    Family(
        "bytespike_api_quota_remaining_credits",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="credits",
        help="Credits left of the key's lifetime quota, documented as USD; from X-Quota-Remaining-Credits.",
    ),
    Family(
        "bytespike_api_org_quota_remaining_credits",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="credits",
        help="Credits left in the organisation's wallet, documented as USD; from X-Org-Quota-Remaining-Credits.",
    ),
    Family(
        "bytespike_api_rate_limit_usd",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="usd",
        stability=Stability.EXPERIMENTAL,
        help="Cap in USD of the tightest spend bucket, whichever it is at the moment; from X-RateLimit-Limit.",
    ),
    Family(
        "bytespike_api_rate_limit_remaining_usd",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="usd",
        stability=Stability.EXPERIMENTAL,
        help="USD left in the tightest spend bucket, whichever it is at the moment; from X-RateLimit-Remaining.",
    ),
    Family(
        "bytespike_api_rate_limit_reset_timestamp_seconds",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        unit="seconds",
        stability=Stability.EXPERIMENTAL,
        help="Unix seconds at which the tightest spend bucket resets, whichever it is; from X-RateLimit-Reset.",
    ),
    Family(
        "bytespike_api_suspended",
        type=Type.GAUGE,
        scope=Scope.ACCOUNT,
        labels=("reason",),
        starts=each(SUSPENDING),
        help="1 while polling of the account is held back for this reason, else 0; decided by the exporter.",
    ),
    Family(
        "bytespike_api_schema_drift_total",
        type=Type.COUNTER,
        scope=Scope.ACCOUNT,
        labels=("kind",),
        starts=each(Drift),
        help="Departures of valid answers from the API's documentation, by kind; counted by the exporter.",
    ),
)
