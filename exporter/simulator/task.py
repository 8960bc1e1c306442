"""One simulated task: a frozen value whose state at any instant follows from its fate."""

from dataclasses import dataclass
from enum import StrEnum

from exporter.simulator.catalogue import Kind
from exporter.simulator.money import Cents


class Status(StrEnum):
    """The five published statuses; the last three are terminal."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Fate:
    """When a task starts running (Unix seconds), when and how it ends, and what it then costs."""

    run_at: float
    end_at: float
    status: Status
    credits_used: Cents | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task. ``units`` are seconds of video or images; ``fingerprint`` stands for model and params."""

    task_id: str
    out_task_id: str | None
    account: str
    key: str
    model: str
    kind: Kind
    units: int
    size: tuple[int, int]
    submitted_at: float
    eta: int | None
    estimate: Cents
    fate: Fate
    fingerprint: bytes = b""
    callback_url: str | None = None

    def status_at(self, now: float) -> Status:
        """The status at an instant; once terminal it stays so."""
        if now >= self.fate.end_at:
            return self.fate.status
        return Status.RUNNING if now >= self.fate.run_at else Status.PENDING

    def ended_by(self, now: float) -> bool:
        return now >= self.fate.end_at

    def next_change(self, now: float) -> float:
        """When the status changes next (Unix seconds), unless the task is cancelled before."""
        return self.fate.run_at if now < self.fate.run_at else self.fate.end_at
