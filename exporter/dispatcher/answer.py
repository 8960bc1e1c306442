"""What a query brings back when the answer is valid."""

from dataclasses import dataclass, field
from enum import StrEnum

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


@dataclass(frozen=True, slots=True)
class Answer:
    """A validated answer: one record, or None where the API does not know the task (404 ``task_not_found``)."""

    observation: Observation | None
    drift: tuple[Drift, ...] = field(default=())
