"""The followed tasks counted by labels and status, kept up as each of them changes.

Whatever a scrape asks for is kept ready: a census costs as much as there are label sets, however many tasks there are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from exporter.tasks.item import TaskLabels
from exporter.tasks.listing import Entry
from exporter.tasks.observation import Status
from exporter.tasks.sorted_numbers import SortedNumbers

Key = TypeVar("Key")

NANO = 1_000_000_000
"""Estimates are added and taken away again as whole billionths of a credit: sums of floats would drift."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that the tasks live by (seconds); ``default_eta`` is by group."""

    retention: float = 86400.0
    not_found_grace: float = 120.0
    overdue_factor: float = 3.0
    listed_limit: int = 1000
    default_eta: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Census:
    """What the gauges of the tasks show; every mapping leaves out what is zero or absent.

    ``oldest`` is the submission (Unix seconds) of the oldest pending and running task. ``listed`` are the tasks that
    get series of their own (when each was last answered is not kept up), ``unlisted`` how many did not fit.
    ``duplicates`` are tasks named more than once.
    """

    at: float
    counts: Mapping[tuple[TaskLabels, Status], int]
    outstanding_credits: Mapping[TaskLabels, float]
    overdue: Mapping[TaskLabels, int]
    oldest: Mapping[tuple[TaskLabels, Status], float]
    listed: Sequence[Entry] = ()
    unlisted: int = 0
    duplicates: int = 0


class Share(msgspec.Struct, frozen=True, gc=False):
    """What one task adds to the census; it is taken away as it was added, whatever has changed meanwhile."""

    labels: TaskLabels
    status: Status
    ended_at: float | None = None
    submitted_at: float | None = None
    overdue_at: float | None = None
    credits_nano: int = 0


class Counted(Protocol):
    """What a task's share depends on, besides its labels and the rules."""

    @property
    def status(self) -> Status: ...
    @property
    def submitted_at(self) -> float: ...
    @property
    def eta_seconds(self) -> float | None: ...
    @property
    def credits_estimated(self) -> float | None: ...
    @property
    def finished_at(self) -> float | None: ...


class Tally:
    """The sums of the shares of all tasks. What a step costs hardly grows with the number of tasks."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[TaskLabels, Status]] = Counter()
        self._credits_nano: Counter[TaskLabels] = Counter()
        self._estimated: Counter[TaskLabels] = Counter()
        self._overdue_at: dict[TaskLabels, SortedNumbers] = {}
        self._submitted_at: dict[tuple[TaskLabels, Status], SortedNumbers] = {}

    @property
    def counts(self) -> Mapping[tuple[TaskLabels, Status], int]:
        """How many tasks there are of each label set and status; live, without zeros."""
        return self._counts

    def add(self, share: Share) -> None:
        labels, status = share.labels, share.status
        self._counts[labels, status] += 1
        if share.credits_nano:
            self._credits_nano[labels] += share.credits_nano
            self._estimated[labels] += 1
        if share.overdue_at is not None:
            _add(self._overdue_at, labels, share.overdue_at)
        if share.submitted_at is not None:
            _add(self._submitted_at, (labels, status), share.submitted_at)

    def take_away(self, share: Share) -> None:
        labels, status = share.labels, share.status
        _decrease(self._counts, (labels, status))
        if share.credits_nano:
            self._credits_nano[labels] -= share.credits_nano
            _decrease(self._estimated, labels)
            if labels not in self._estimated:
                del self._credits_nano[labels]
        if share.overdue_at is not None:
            _remove(self._overdue_at, labels, share.overdue_at)
        if share.submitted_at is not None:
            _remove(self._submitted_at, (labels, status), share.submitted_at)

    def census(self, *, now: float, listed: Sequence[Entry], unlisted: int, duplicates: int) -> Census:
        """Everything as it is now."""
        overdue = ((labels, times.below(now)) for labels, times in self._overdue_at.items())
        return Census(
            at=now,
            counts=dict(self._counts),
            outstanding_credits={labels: nano / NANO for labels, nano in self._credits_nano.items()},
            overdue={labels: count for labels, count in overdue if count},
            oldest={key: times.first for key, times in self._submitted_at.items()},
            listed=listed,
            unlisted=unlisted,
            duplicates=duplicates,
        )


def share_of(task: Counted, labels: TaskLabels, rules: Rules) -> Share:
    """What a task adds under these rules. Of one that no answer has shown yet nothing is known but that it is there;
    one that was followed anew may be so though an earlier answer is remembered."""
    if task.status is Status.UNOBSERVED or task.status.is_terminal:
        return Share(labels, task.status, ended_at=task.finished_at)
    eta = task.eta_seconds or rules.default_eta.get(labels.group, 0.0)
    return Share(
        labels,
        task.status,
        submitted_at=task.submitted_at if task.status is not Status.UNKNOWN else None,
        overdue_at=task.submitted_at + rules.overdue_factor * eta if eta > 0 else None,
        credits_nano=round((task.credits_estimated or 0.0) * NANO),
    )


def _decrease(counter: Counter[Key], key: Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _add(lists: dict[Key, SortedNumbers], key: Key, value: float) -> None:
    numbers = lists.get(key)
    if numbers is None:
        numbers = lists[key] = SortedNumbers()
    numbers.add(value)


def _remove(lists: dict[Key, SortedNumbers], key: Key, value: float) -> None:
    lists[key].remove(value)
    if not lists[key]:
        del lists[key]
