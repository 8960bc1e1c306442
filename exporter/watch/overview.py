"""What is known of a running exporter at one moment: its tasks one by one, and its sums."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from prometheus_client.samples import Sample

from exporter.metrics.families import api, tasks
from exporter.tasks.observation import TERMINAL, Status

FAMILIES = (
    tasks.BY_STATUS.name,
    tasks.CREDITS_USED.name,
    tasks.OUTSTANDING_CREDITS.name,
    tasks.OVERDUE.name,
    api.UP.name,
    api.SUSPENDED.name,
)
"""What is asked of /metrics."""

BY_WEIGHT = (
    Status.FAILED,
    Status.NOT_FOUND,
    Status.UNKNOWN,
    Status.RUNNING,
    Status.PENDING,
    Status.UNOBSERVED,
    Status.CANCELLED,
    Status.COMPLETED,
)
"""The statuses, what wants a look first."""

FAILED = frozenset({Status.FAILED, Status.NOT_FOUND})
"""Ends that nobody wanted."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task as ``GET /api/v1/tasks`` lists it; what it does not know is None."""

    account: str
    group: str
    status: str
    model: str = ""
    labels: dict[str, str] = {}
    task_id: str | None = None
    out_task_id: str | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    estimated_seconds: float | None = None
    credits_estimated: float | None = None
    credits_used: float | None = None
    error_code: str | None = None

    @property
    def name(self) -> str:
        """By which it is called: the API's id, or the caller's where there is no other yet."""
        return self.task_id or self.out_task_id or ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others, as far as it has been told."""
        return self.account, self.name

    @property
    def is_open(self) -> bool:
        return self.status not in TERMINAL

    def age(self, now: datetime) -> float | None:
        """Seconds since its submission, until its end where it has ended."""
        if self.submitted_at is None:
            return None
        return max(0.0, ((self.finished_at or now) - self.submitted_at).total_seconds())

    def progress(self, now: datetime) -> float | None:
        """Its age as a part of its ETA; more than 1 where it takes longer."""
        age = self.age(now)
        return None if age is None or not self.estimated_seconds else age / self.estimated_seconds


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks are meant; None is any."""

    group: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of the tasks that are meant. ``silent``: the accounts that do not answer about theirs, and why."""

    by_status: Mapping[str, int] = field(default_factory=dict)
    credits_used: float = 0.0
    credits_outstanding: float = 0.0
    overdue: int = 0
    silent: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True)
class Overview:
    """Sums and tasks at one moment, ``at``, of the exporter's own clock."""

    at: datetime
    sums: Sums
    tasks: tuple[Task, ...]


def sums_of(samples: Iterable[Sample], filters: Filters) -> Sums:
    """What the samples of ``FAMILIES`` add up to."""
    meant = [sample for sample in samples if _is_meant(sample.labels, filters)]
    totals: defaultdict[str, float] = defaultdict(float)
    by_status: Counter[str] = Counter()
    for sample in meant:
        totals[sample.name] += sample.value
        if sample.name == tasks.BY_STATUS.name:
            by_status[sample.labels["status"]] += round(sample.value)
    return Sums(
        by_status=by_status,
        credits_used=totals[tasks.CREDITS_USED.name],
        credits_outstanding=totals[tasks.OUTSTANDING_CREDITS.name],
        overdue=round(totals[tasks.OVERDUE.name]),
        silent=_silent(meant),
    )


def _silent(samples: Sequence[Sample]) -> dict[str, str]:
    """An account that has nothing to be asked about has not answered either, and that is no fault."""
    busy = {
        sample.labels["account"]
        for sample in samples
        if sample.name == tasks.BY_STATUS.name and sample.value and sample.labels["status"] not in TERMINAL
    }
    down = {s.labels["account"]: "no answer" for s in samples if s.name == api.UP.name and not s.value}
    held = {s.labels["account"]: s.labels["reason"] for s in samples if s.name == api.SUSPENDED.name and s.value}
    return {name: reason for name, reason in (down | held).items() if name in busy}


def _is_meant(labels: Mapping[str, str], filters: Filters) -> bool:
    """Whether a sample is of what is meant. Those of an account as a whole have no group."""
    return filters.account in (None, labels["account"]) and filters.group in (None, labels.get("group", filters.group))
