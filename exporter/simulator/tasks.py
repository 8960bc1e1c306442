"""A simulated task: what was submitted, how it is to go, and how it stands at any instant."""

import math
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from exporter.simulator.catalogue import Kind, Model
from exporter.simulator.money import Cents
from exporter.simulator.scenarios import FailureWave, Poison, SlowWave

P90 = 1.2816
"""The 90th percentile of the standard normal distribution."""


class Status(StrEnum):
    """The five published statuses; the last three are terminal."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class Submission:
    """What is asked for. ``units`` are seconds of video or images; the fingerprint stands for model and params."""

    slug: str
    model: Model
    units: int
    fingerprint: bytes = b""
    out_task_id: str | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRef:
    """How a request names its task: exactly one of the two is set."""

    task_id: str | None = None
    out_task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a task is to go: seconds from submission to its end, the estimate of them that it shows, and its outcome.

    ``tag`` names the batch that it belongs to in the books.
    """

    latency: float
    eta: int | None
    outcome: Status
    error_code: str | None = None
    poison: Poison | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When a task starts running (Unix seconds), when and how it ends, and what it then costs."""

    run_at: float
    end_at: float
    status: Status
    credits_used: Cents | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task, a frozen value: its state at any instant follows from its lifecycle."""

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
    lifecycle: Lifecycle
    fingerprint: bytes = b""
    callback_url: str | None = None
    poison: Poison | None = None
    tag: str = ""

    def status_at(self, now: float) -> Status:
        """The status at an instant; once terminal it stays so."""
        if now >= self.lifecycle.end_at:
            return self.lifecycle.status
        return Status.RUNNING if now >= self.lifecycle.run_at else Status.PENDING

    def ended_by(self, now: float) -> bool:
        return now >= self.lifecycle.end_at

    def next_change(self, now: float) -> float:
        """When the status changes next (Unix seconds), unless the task is cancelled before."""
        return self.lifecycle.run_at if now < self.lifecycle.run_at else self.lifecycle.end_at

    @property
    def is_hidden(self) -> bool:
        """Whether nobody who asks for it is ever told how it stands."""
        return self.poison is not None and self.poison.hides


def default_units(model: Model) -> int:
    """The size of a task that names none: one clip or one image."""
    return min(model.clip_seconds, model.max_seconds) if model.kind is Kind.VIDEO else 1


def draw_plan(
    model: Model,
    units: int,
    *,
    failures: FailureWave | None,
    slowness: SlowWave | None,
    time_scale: float,
    rng: Random,
) -> Plan:
    """A plan as the catalogue has it, under the waves that hold.

    Latency is log-normal and its median is the estimate (both invented).
    """
    low, high = model.latency
    stretch = model.stretch(units) / time_scale
    median, sigma = math.sqrt(low * high), math.log(high / low) / (2 * P90)
    latency = stretch * median * math.exp(sigma * rng.gauss())
    error_code = _draw_failure(model, failures, rng)
    return Plan(
        latency=latency * _draw_slowness(slowness, rng),
        eta=max(1, round(stretch * median)),
        outcome=Status.FAILED if error_code else Status.COMPLETED,
        error_code=error_code,
    )


def draw_lifecycle(plan: Plan, *, model: Model, estimate: Cents, submitted_at: float, rng: Random) -> Lifecycle:
    """The instants and the bill of a plan; the queue takes 5 to 20 % of it (invented)."""
    queue_share, discount, progress = rng.uniform(0.05, 0.2), rng.uniform(0.95, 1.0), rng.random()
    bill = {
        Status.COMPLETED: max(1, round(estimate * discount)),
        Status.CANCELLED: cancel_bill(model, estimate, progress),
    }
    return Lifecycle(
        run_at=submitted_at + plan.latency * queue_share,
        end_at=submitted_at + plan.latency,
        status=plan.outcome,
        credits_used=bill.get(plan.outcome),
        error_code=plan.error_code,
    )


def cancel_bill(model: Model, estimate: Cents, progress: float) -> Cents | None:
    """What cancelling a running task costs: the part done once it is too far along, else nothing."""
    return max(1, round(estimate * progress)) if progress > model.refund_until else None


def _draw_failure(model: Model, wave: FailureWave | None, rng: Random) -> str | None:
    # Always the same number of draws, so that a scenario changes no other task's lifecycle.
    own, by_wave, which = rng.random(), rng.random(), rng.random()
    if wave is not None and by_wave < wave.ratio:
        return wave.error_code
    if own < model.failure_ratio:
        return model.error_codes[int(which * len(model.error_codes))]
    return None


def _draw_slowness(wave: SlowWave | None, rng: Random) -> float:
    hit = rng.random()
    return wave.factor if wave is not None and hit < wave.ratio else 1.0
