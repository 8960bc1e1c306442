"""What a query brings back: a validated answer, or the one error that says why there is none."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from exporter.errors import ExporterError
from exporter.tasks.observation import Observation


class Drift(StrEnum):
    """The closed set of ``kind`` on ``bytespike_api_schema_drift_total``."""

    UNKNOWN_STATUS = "unknown_status"
    MISSING_FIELD = "missing_field"
    MISTYPED_FIELD = "mistyped_field"
    LEGACY_SHAPE = "legacy_shape"


@dataclass(frozen=True, slots=True)
class Quota:
    """The money headers of one response; a header that was absent or unreadable is None.

    ``rate_limit_*`` speak of the tightest spend bucket, in USD; ``reset_at`` is Unix seconds.
    """

    remaining_credits: float | None = None
    org_remaining_credits: float | None = None
    rate_limit_usd: float | None = None
    rate_limit_remaining_usd: float | None = None
    rate_limit_reset_at: float | None = None


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A validated answer: one record, or None where the API does not know the task (404 ``task_not_found``)."""

    observation: Observation | None
    drift: tuple[Drift, ...] = ()


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


class Blame(StrEnum):
    """Whose fault a failure is taken for: a task's own is asked about less often, an account's holds all of it back."""

    TASK = "task"
    ACCOUNT = "account"


class DispatcherError(ExporterError):
    """A query that got no validated answer.

    ``detail`` is short, free of secrets and fit for a log line. ``status`` is the HTTP status, where there was one.
    ``retry_after`` and ``reset_after`` are seconds from now, as the answer's headers say them, where they do.
    ``quota`` holds the money headers, which a failed response carries as well. ``blames`` is what the account makes of
    it, in the light of its other requests; a lone query blames its task.
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
        self.blames = Blame.TASK
