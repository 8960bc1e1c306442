"""The followed tasks counted by labels and status, kept up as they change."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice

from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState
from exporter.tasks.task import Rules, Task


@dataclass(frozen=True, slots=True)
class Census:
    """What the gauges of the tasks show; every mapping leaves out what is zero or absent.

    ``oldest`` is the submission (Unix seconds) of the oldest pending and running task. ``listed`` are the tasks that
    get series of their own, ``unlisted`` how many did not fit. ``duplicates`` are tasks named more than once.
    """

    at: float
    counts: Mapping[tuple[TaskLabels, Status], int]
    outstanding_credits: Mapping[TaskLabels, float]
    overdue: Mapping[TaskLabels, int]
    oldest: Mapping[tuple[TaskLabels, Status], float]
    listed: tuple[tuple[TaskLabels, TaskState], ...] = ()
    unlisted: int = 0
    duplicates: int = 0


class Tally:
    """What the gauges count. A task that ended longer than the retention ago is not counted any more."""

    def __init__(self) -> None:
        self._order = count()
        self._visible: dict[Task, None] = {}
        self._open: dict[Task, None] = {}
        self._counts: Counter[tuple[TaskLabels, Status]] = Counter()
        self._duplicates = 0
        self._retiring: list[tuple[float, int, Task]] = []

    @contextmanager
    def recounted(self, task: Task, *, rules: Rules, now: float) -> Iterator[None]:
        """Take a task out of the counts, let it change, and count it again: the one way a count changes."""
        if task in self._visible:
            self._counts[task.labels, task.state.status] -= 1
        self._duplicates -= len(task.claims) > 1
        try:
            yield
        finally:
            self._duplicates += len(task.claims) > 1
            self._put_back(task, rules=rules, now=now)

    def census(self, *, rules: Rules, now: float) -> Census:
        """Add everything up."""
        self._retire(rules, now)
        outstanding: dict[TaskLabels, float] = {}
        overdue: Counter[TaskLabels] = Counter()
        oldest: dict[tuple[TaskLabels, Status], float] = {}
        for task in self._open:
            state, labels = task.state, task.labels
            if state.observed_at is None:
                continue
            if state.credits_estimated is not None:
                outstanding[labels] = outstanding.get(labels, 0.0) + state.credits_estimated
            overdue[labels] += _is_overdue(task, rules, now)
            if state.status is not Status.UNKNOWN:
                key = (labels, state.status)
                oldest[key] = min(oldest.get(key, state.submitted_at), state.submitted_at)
        listed = tuple((task.labels, task.state) for task in islice(self._visible, rules.listed_limit))
        return Census(
            at=now,
            counts=dict(+self._counts),
            outstanding_credits=outstanding,
            overdue=dict(+overdue),
            oldest=oldest,
            listed=listed,
            unlisted=len(self._visible) - len(listed) if rules.listed_limit else 0,
            duplicates=self._duplicates,
        )

    def _put_back(self, task: Task, *, rules: Rules, now: float) -> None:
        ended_at = task.state.finished_at
        if not task.is_followed or (ended_at is not None and ended_at + rules.retention <= now):
            self._visible.pop(task, None)
            self._open.pop(task, None)
            return
        was_counted_as_ended = task in self._visible and task not in self._open
        self._visible.setdefault(task)  # a task that was shown keeps its place: series must not come and go
        self._counts[task.labels, task.state.status] += 1
        if ended_at is None:
            self._open[task] = None
        elif not was_counted_as_ended:
            self._open.pop(task, None)
            self._retire_at(task, ended_at + rules.retention)

    def _retire_at(self, task: Task, at: float) -> None:
        heapq.heappush(self._retiring, (at, next(self._order), task))

    def _retire(self, rules: Rules, now: float) -> None:
        while self._retiring and self._retiring[0][0] <= now:
            _, _, task = heapq.heappop(self._retiring)
            ended_at = task.state.finished_at
            if task not in self._visible or ended_at is None:
                continue
            with self.recounted(task, rules=rules, now=now):
                pass
            if task in self._visible:  # the retention has been made longer since
                self._retire_at(task, ended_at + rules.retention)


def _is_overdue(task: Task, rules: Rules, now: float) -> bool:
    eta = task.state.eta_seconds or rules.default_eta.get(task.labels.group, 0.0)
    return eta > 0 and now - task.state.submitted_at > rules.overdue_factor * eta
