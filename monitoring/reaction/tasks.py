"""What an application asks of the API in a situation: its tasks, each with the course that it will take.

Nothing here is drawn blindly: of so many tasks exactly the share that is meant to fails, evenly, so that a figure
measured twice is the same twice.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from exporter.tasks.observation import Status

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

UPSTREAM_ERROR: Final = "upstream_error"
"""The code of the failures that make a situation; healthy traffic fails for its content alone."""

CONTENT: Final = "content_policy_violation"
NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the tasks of one group have in common: the model's ETA (seconds), what one costs, how long it waits."""

    group: str
    model: str
    eta: float
    credits: float
    queued: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task in truth: when it is submitted, runs and ends (seconds), and as what."""

    kind: Kind
    submitted: float
    runs: float
    ends: float
    outcome: Status
    error_code: str = ""

    def status(self, at: float) -> Status:
        """What the API answers at that time."""
        if at >= self.ends:
            return self.outcome
        return Status.RUNNING if at >= self.runs else Status.PENDING


RENDERS: Final = Kind(group="renders", model="sora-2-pro", eta=120.0, credits=0.4)
STILLS: Final = Kind(group="stills", model="seedream-v4", eta=15.0, credits=0.05, queued=3.0)

Share = Callable[[float], float]
"""The share of tasks submitted at a time that fails."""


def steady(kind: Kind, *, every: float, until: float, failing: Share) -> Iterator[Task]:
    """One task in each interval, from the start until that time."""
    random, failures = Random(kind.model), 0.0
    for number in range(int(until // every)):
        submitted = (number + random.random()) * every
        share = failing(submitted)
        failures += share
        is_failing = failures >= 1
        failures -= is_failing
        yield _task(kind, submitted, random, is_failing=is_failing, code=_code(share))


def batches(
    kind: Kind, starts: Iterable[float], *, tasks: int, within: float, failing: Share, seed: str = "batch"
) -> Iterator[Task]:
    """So many tasks at each of these times, spread evenly over as many seconds as are given."""
    random, failures = Random(seed), 0.0
    for start in starts:
        for number in range(tasks):
            share = failing(start)
            failures += share
            is_failing = failures >= 1
            failures -= is_failing
            yield _task(kind, start + number * within / tasks, random, is_failing=is_failing, code=_code(share))


def hung(kind: Kind, starts: Iterable[float]) -> Iterator[Task]:
    """Tasks that run and never end."""
    for start in starts:
        task = _task(kind, start, Random(start), is_failing=False, code="")
        yield replace(task, ends=NEVER)


def healthy(_: float) -> float:
    """What fails on a good day."""
    return 0.01


def _code(share: float) -> str:
    return CONTENT if share <= healthy(0) else UPSTREAM_ERROR


def _task(kind: Kind, submitted: float, random: Random, *, is_failing: bool, code: str) -> Task:
    runs = submitted + kind.queued * random.uniform(0.5, 1.5)
    length = kind.eta * random.uniform(0.7, 1.2)
    return Task(
        kind=kind,
        submitted=submitted,
        runs=runs,
        ends=runs + length * (random.uniform(0.2, 0.9) if is_failing else 1.0),
        outcome=Status.FAILED if is_failing else Status.COMPLETED,
        error_code=code if is_failing else "",
    )
