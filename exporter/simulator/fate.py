"""Drawing what becomes of a task from its model, the scenarios that hold and a seeded generator."""

import math
from dataclasses import dataclass
from random import Random

from exporter.simulator.catalogue import Model
from exporter.simulator.money import Cents
from exporter.simulator.scenarios import FailureWave, SlowWave
from exporter.simulator.task import Fate, Status

P90 = 1.2816
"""The 90th percentile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a task goes: seconds from submission to its end, the estimate of them that it shows, and its outcome."""

    latency: float
    eta: int | None
    outcome: Status
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Waves:
    """The scenarios that bear on tasks submitted now."""

    failure: FailureWave | None = None
    slow: SlowWave | None = None


def draw_course(model: Model, units: int, *, waves: Waves, time_scale: float, rng: Random) -> Course:
    """A course as the catalogue has it. Latency is log-normal and its median is the estimate (both invented)."""
    low, high = model.latency
    stretch = model.stretch(units) / time_scale
    median, sigma = math.sqrt(low * high), math.log(high / low) / (2 * P90)
    latency = stretch * median * math.exp(sigma * rng.gauss())
    error_code = _draw_failure(model, waves.failure, rng)
    return Course(
        latency=latency * _slowness(waves.slow, rng),
        eta=max(1, round(stretch * median)),
        outcome=Status.FAILED if error_code else Status.COMPLETED,
        error_code=error_code,
    )


def draw_fate(course: Course, *, model: Model, estimate: Cents, submitted_at: float, rng: Random) -> Fate:
    """The instants and the bill of a course; the queue takes 5 to 20 % of it (invented)."""
    queue_share, discount, progress = rng.uniform(0.05, 0.2), rng.uniform(0.95, 1.0), rng.random()
    bill = {
        Status.COMPLETED: max(1, round(estimate * discount)),
        Status.CANCELLED: cancel_bill(model, estimate, progress),
    }
    return Fate(
        run_at=submitted_at + course.latency * queue_share,
        end_at=submitted_at + course.latency,
        status=course.outcome,
        credits_used=bill.get(course.outcome),
        error_code=course.error_code,
    )


def cancel_bill(model: Model, estimate: Cents, progress: float) -> Cents | None:
    """What cancelling a running task costs: the part done once it is too far along, else nothing."""
    return max(1, round(estimate * progress)) if progress > model.refund_until else None


def _draw_failure(model: Model, wave: FailureWave | None, rng: Random) -> str | None:
    # Always the same number of draws, so that a scenario changes no other task's fate.
    own, by_wave, which = rng.random(), rng.random(), rng.random()
    if wave is not None and by_wave < wave.ratio:
        return wave.error_code
    if own < model.failure_ratio:
        return model.error_codes[int(which * len(model.error_codes))]
    return None


def _slowness(wave: SlowWave | None, rng: Random) -> float:
    hit = rng.random()
    return wave.factor if wave is not None and hit < wave.ratio else 1.0
