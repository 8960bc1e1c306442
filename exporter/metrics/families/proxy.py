"""The sidecar: ``bytespike_proxy_…``. ``account`` is empty for a key that is not configured."""

from exporter.dispatcher.answer import Reason
from exporter.dispatcher.taxonomy import KNOWN_CODES
from exporter.metrics.families.api import LATENCY_BUCKETS
from exporter.metrics.family import Counter, Gauge, Histogram, Scope, Stability, each

ENDPOINTS = ("submit", "query", "cancel", "stream", "other")
"""The closed set of ``endpoint``: the tasks API's four, and everything else."""

UNANSWERED = "none"
"""The ``code`` of a request that got no answer at all."""

_FAILING = ("502", "503", "504", UNANSWERED)

_FORESEEN = (
    *each(["submit"], ("200", "400", "401", "402", "403", "409", "413", "429", "451", "500", *_FAILING)),
    *each([endpoint for endpoint in ENDPOINTS if endpoint != "submit"], ("200", *_FAILING)),
)

REQUESTS = Counter(
    "bytespike_proxy_requests_total",
    scope=Scope.PROXIED,
    labels=("endpoint", "code"),
    unit="requests",
    starts=_FORESEEN,
    stability=Stability.EXPERIMENTAL,
    help="Requests that passed through the sidecar, by the HTTP status of the answer; counted by the exporter.",
)

SUBMISSIONS_FAILED = Counter(
    "bytespike_proxy_submissions_failed_total",
    scope=Scope.PROXIED,
    labels=("error_code",),
    unit="requests",
    starts=each(sorted({*KNOWN_CODES, *map(str, Reason)})),
    stability=Stability.EXPERIMENTAL,
    help="Submissions that the API refused, by its error code; read from the traffic by the exporter.",
)

REQUEST_DURATION = Histogram(
    "bytespike_proxy_request_duration_seconds",
    scope=Scope.PROXIED,
    labels=("endpoint",),
    starts=each(ENDPOINTS),
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
    scope=Scope.PROXIED,
    labels=("group",),
    unit="tasks",
    stability=Stability.EXPERIMENTAL,
    help="Tasks that came to be followed because the sidecar saw them; counted by the exporter.",
)

NOT_UNDERSTOOD = Counter(
    "bytespike_proxy_not_understood_total",
    scope=Scope.EXPORTER,
    labels=("endpoint",),
    unit="requests",
    starts=each(ENDPOINTS),
    stability=Stability.EXPERIMENTAL,
    help="Exchanges with the tasks API that taught nothing: not to be read, or too much waited; by the exporter.",
)
