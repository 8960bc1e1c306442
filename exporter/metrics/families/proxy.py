"""The sidecar: ``bytespike_proxy_…``. ``account`` is empty for a key that is not configured."""

from exporter.metrics.families.api import LATENCY_BUCKETS
from exporter.metrics.family import Counter, Gauge, Histogram, Scope, Stability

ENDPOINTS = ("submit", "query", "cancel", "stream", "other")
"""The closed set of ``endpoint``: the tasks API's four, and everything else."""

UNANSWERED = "none"
"""The ``code`` of a request that got no answer at all."""

_FAILING = ("502", "503", "504", UNANSWERED)

FORESEEN = dict.fromkeys(ENDPOINTS, ("200", *_FAILING)) | {
    "submit": ("200", "400", "401", "402", "403", "409", "413", "429", "451", "500", *_FAILING)
}
"""The values of ``code`` that are shown from the start, by endpoint."""

REQUESTS = Counter(
    "bytespike_proxy_requests_total",
    scope=Scope.EXPORTER,
    labels=("account", "endpoint", "code"),
    unit="requests",
    stability=Stability.EXPERIMENTAL,
    help="Requests that passed through the sidecar, by the HTTP status of the answer; counted by the exporter.",
)

SUBMISSIONS_FAILED = Counter(
    "bytespike_proxy_submissions_failed_total",
    scope=Scope.EXPORTER,
    labels=("account", "error_code"),
    unit="requests",
    stability=Stability.EXPERIMENTAL,
    help="Submissions that the API refused, by its error code; read from the traffic by the exporter.",
)

REQUEST_DURATION = Histogram(
    "bytespike_proxy_request_duration_seconds",
    scope=Scope.EXPORTER,
    labels=("account", "endpoint"),
    unit="seconds",
    buckets=LATENCY_BUCKETS,
    stability=Stability.EXPERIMENTAL,
    help="Seconds from the head of a request to the end of its answer; measured by the sidecar.",
)

IN_FLIGHT = Gauge(
    "bytespike_proxy_requests_in_flight",
    scope=Scope.EXPORTER,
    unit="requests",
    stability=Stability.EXPERIMENTAL,
    help="Requests that are passing through the sidecar, absent where there is none; from the exporter.",
)

TASKS_LEARNT = Counter(
    "bytespike_proxy_tasks_learnt_total",
    scope=Scope.EXPORTER,
    labels=("account", "group"),
    unit="tasks",
    stability=Stability.EXPERIMENTAL,
    help="Tasks that came to be followed because the sidecar saw them; counted by the exporter.",
)

NOT_UNDERSTOOD = Counter(
    "bytespike_proxy_not_understood_total",
    scope=Scope.EXPORTER,
    labels=("endpoint",),
    unit="requests",
    stability=Stability.EXPERIMENTAL,
    help="Exchanges with the tasks API that taught nothing: not to be read, or too much waited; by the exporter.",
)
