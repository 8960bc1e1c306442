"""How long to wait before a task is asked about again."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exporter.polling.curve import LEAST_ETA, Curve
from exporter.settings.model import PollSettings
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.view import Course

FAILING_INTERVAL = 60.0
"""The longest wait (seconds) for a task whose queries fail, where ``max_interval`` is not longer."""

_GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples lie evenly between whole numbers, however many there are."""


class Cadence(Protocol):
    """Whoever says when a task is asked about again."""

    @property
    def settings(self) -> PollSettings: ...

    def after(self, task: Course, *, now: float, failures: int = 0) -> float:
        """Seconds until a task's next poll; ``now`` is in Unix seconds, ``failures`` in a row are the task's own."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedCadence:
    """The published cadence: ``max(min_interval, eta / polls_per_eta)``, ``default_eta`` where no ETA is known.

    Source: "Polling cadence" on the API's tasks/query page, which asks about six times across the expected duration.
    """

    settings: PollSettings

    def interval(self, eta_seconds: float | None, *, failures: int = 0) -> float:
        """Seconds until the next poll; each failure in a row that was the task's own doubles them."""
        poll = self.settings
        published = max(poll.min_interval, (eta_seconds or poll.default_eta) / poll.polls_per_eta)
        if not failures:
            return min(poll.max_interval, published)
        return min(max(poll.max_interval, FAILING_INTERVAL), published * 2.0 ** min(failures, 30))

    def after(self, task: Course, *, now: float, failures: int = 0) -> float:  # noqa: ARG002 - what it has in common
        return self.interval(task.eta_seconds, failures=failures)


@dataclass(frozen=True, slots=True)
class AdaptiveCadence:
    """The published cadence on a bent clock (``curve``): as many polls, where the task will probably end.

    A task that is not known to run is polled as published, so that its start is seen as soon; one whose queries fail
    likewise.
    """

    published: PublishedCadence
    curve_of: Callable[[TaskLabels], Curve]

    @property
    def settings(self) -> PollSettings:
        return self.published.settings

    def after(self, task: Course, *, now: float, failures: int = 0) -> float:
        poll = self.published.settings
        interval = self.published.interval(task.eta_seconds, failures=failures)
        if failures or task.status is not Status.RUNNING:
            return interval
        eta = max(task.eta_seconds or poll.default_eta, LEAST_ETA)
        age = max(0.0, now - task.submitted_at) / eta
        wait = eta * (self._tick(task, age, interval / eta, even=interval / poll.max_interval) - age)
        return min(max(wait, poll.min_interval), poll.max_interval)

    def _tick(self, task: Course, age: float, interval: float, *, even: float) -> float:
        """The age at the clock's next tick, half an interval or more ahead; each task has ticks of its own.

        Tasks that were submitted together would all be asked about at once otherwise. As much of the clock is straight
        as keeps every wait below ``max_interval`` at no more polls.
        """
        curve, phase = self.curve_of(task.labels), task.number * _GOLDEN % 1.0
        ticks = math.floor(curve.reading(age, even=even) / interval - phase + 0.5) + 1
        return curve.age((ticks + phase) * interval, even=even)
