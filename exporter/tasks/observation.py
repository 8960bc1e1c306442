"""What one validated answer said of one task."""

from dataclasses import dataclass

from exporter.tasks.status import Status


@dataclass(frozen=True, slots=True)
class Output:
    """One item of a completed task's ``output``."""

    type: str
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One record of ``POST /v1/tasks/query``; what the answer did not carry is None."""

    status: Status
    task_id: str | None = None
    out_task_id: str | None = None
    estimated_credits: float | None = None
    estimated_seconds: float | None = None
    credits_used: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    outputs: tuple[Output, ...] = ()
