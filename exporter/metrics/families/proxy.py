"""The sidecar: ``bytespike_proxy_…``. ``account`` is empty for a key that is not configured."""

from enum import StrEnum

from exporter.dispatcher.answer import Reason
from exporter.dispatcher.taxonomy import KNOWN_CODES
from exporter.metrics.families.api import LATENCY_BUCKETS
from exporter.metrics.family import Counter, Gauge, Histogram, Scope, Stability, each

ENDPOINTS = ("submit", "query", "cancel", "stream", "other")
"""The closed set of ``endpoint``: the tasks API's four, and everything else."""

UNANSWERED = "none"
"""The ``code`` of a request that got no answer at all."""


class UpstreamFault(StrEnum):
    """Why the upstream gave no answer, or not all of it: the closed set of ``reason``."""

    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    TLS = "tls"
    PROXY = "proxy"
    DESCRIPTORS = "descriptors"
    TIMEOUT = "timeout"
    GIVEN_UP = "given_up"
    """The client went before an answer came."""
    CUT = "cut"


class Refused(StrEnum):
    """Why a client was not taken: the closed set of ``reason``."""

    LIMIT = "limit"
    DESCRIPTORS = "descriptors"


class Asker(StrEnum):
    """Who asked about a submitted task first: the closed set of ``by``."""

    APPLICATION = "application"
    EXPORTER = "exporter"


FIRST_POLL_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

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

UPSTREAM_FAILURES = Counter(
    "bytespike_proxy_upstream_failures_total",
    scope=Scope.PROXIED,
    labels=("reason",),
    unit="requests",
    starts=each(UpstreamFault),
    stability=Stability.EXPERIMENTAL,
    help="Requests that the upstream did not answer, or not to the end, by reason; counted by the sidecar.",
)

CLIENTS_REFUSED = Counter(
    "bytespike_proxy_clients_refused_total",
    scope=Scope.EXPORTER,
    labels=("reason",),
    unit="connections",
    starts=each(Refused),
    stability=Stability.EXPERIMENTAL,
    help="Clients that the sidecar closed at once for there were too many, or had no descriptor for; by the sidecar.",
)

FIRST_POLL = Histogram(
    "bytespike_proxy_time_to_first_poll_seconds",
    scope=Scope.PROXIED,
    labels=("by",),
    later=each(Asker),
    unit="seconds",
    buckets=FIRST_POLL_BUCKETS,
    stability=Stability.EXPERIMENTAL,
    help="Seconds from a submission's answer to the first answer on its task, by who asked; measured by the sidecar.",
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
