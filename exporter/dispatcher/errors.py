"""Why a query got no validated answer.

Every fault of the network, of HTTP and of the body becomes one DispatcherError with one Reason, at one boundary
(``exporter.dispatcher.client``).
"""

from enum import StrEnum

from exporter.dispatcher.answer import Quota
from exporter.errors import ExporterError


class Reason(StrEnum):
    """The closed set of ``reason`` on ``bytespike_api_request_failures_total``."""

    TIMEOUT = "timeout"
    CONNECT = "connect"
    TLS = "tls"
    NETWORK = "network"
    TRUNCATED = "truncated"
    INVALID_API_KEY = "invalid_api_key"
    PAYMENT = "payment"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    CONCURRENCY = "concurrency"
    SERVER = "server"
    BAD_REQUEST = "bad_request"
    BAD_ROUTE = "bad_route"
    REDIRECT = "redirect"
    TOO_LARGE = "too_large"
    BAD_RESPONSE = "bad_response"
    INTERNAL = "internal"


class DispatcherError(ExporterError):
    """A query that got no validated answer.

    ``detail`` is short, free of secrets and fit for a log line. ``status`` is the HTTP status, where there was one.
    ``retry_after`` and ``reset_after`` are seconds from now, as the answer's headers say them, where they do.
    ``quota`` holds the money headers, which a failed response carries as well.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        reset_after: float | None = None,
        quota: Quota = Quota(),
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.reset_after = reset_after
        self.quota = quota
