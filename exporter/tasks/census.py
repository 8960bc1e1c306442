"""The followed tasks counted by labels and status, kept up as each of them changes.

Whatever a scrape asks for is kept ready: a census costs as much as there are label sets, however many tasks there are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exporter.tasks.item import TaskLabels
from exporter.tasks.listing import Entry
from exporter.tasks.observation import UNKNOWN, Status
from exporter.tasks.sorted_numbers import SortedNumbers

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


class Counted(Protocol):
    """What it depends on how a task is counted, besides its labels and the rules."""

    @property
    def status(self) -> Status: ...
    @property
    def submitted_at(self) -> float: ...
    @property
    def eta_seconds(self) -> float | None: ...
    @property
    def credits_estimated(self) -> float | None: ...


def overdue_at(task: Counted, labels: TaskLabels, rules: Rules) -> float | None:
    """When a task that is awaited will have been for too long under these rules; None where it never will."""
    eta = task.eta_seconds or rules.default_eta.get(labels.group, 0.0)
    return task.submitted_at + rules.overdue_factor * eta if task.status.is_awaited and eta > 0 else None


class _Sums:
    """What all tasks of the same labels add up to; a status may be there that none has.

    Of a task that no answer has shown yet nothing is known but that it is there; one that was followed anew may be so
    though an earlier answer is remembered. Of one that is awaited, more is.
    """

    __slots__ = ("counts", "credits_nano", "estimated", "labels", "overdue_at", "submitted_at")

    def __init__(self, labels: TaskLabels) -> None:
        self.labels = labels
        self.counts: defaultdict[Status, int] = defaultdict(int)
        self.credits_nano = 0
        self.estimated = 0
        self.overdue_at = SortedNumbers()
        self.submitted_at: defaultdict[Status, SortedNumbers] = defaultdict(SortedNumbers)

    def await_end(self, task: Counted, rules: Rules) -> None:
        """Add what a task adds besides its count until its end."""
        status = task.status
        if nano := _nano(task.credits_estimated):
            self.credits_nano += nano
            self.estimated += 1
        if (at := overdue_at(task, self.labels, rules)) is not None:
            self.overdue_at.add(at)
        if status is not UNKNOWN:
            self.submitted_at[status].add(task.submitted_at)

    def await_no_more(self, task: Counted, rules: Rules) -> None:
        """Take away what it has added so."""
        status = task.status
        if nano := _nano(task.credits_estimated):
            self.credits_nano -= nano
            self.estimated -= 1
        if (at := overdue_at(task, self.labels, rules)) is not None:
            self.overdue_at.remove(at)
        if status is not UNKNOWN:
            self.submitted_at[status].remove(task.submitted_at)

    def move_submission(self, at: float, was: Status, status: Status) -> None:
        """Let a task that is awaited as before have another status."""
        if was is not UNKNOWN:
            self.submitted_at[was].remove(at)
        if status is not UNKNOWN:
            self.submitted_at[status].add(at)


class Tally:
    """The sums over all tasks. What a step costs hardly grows with the number of tasks.

    A task is taken away by the rules that it was added by, before anything of it changes.
    """

    def __init__(self) -> None:
        self._sums: dict[TaskLabels, _Sums] = {}

    @property
    def label_sets(self) -> frozenset[TaskLabels]:
        """The labels that at least one task has."""
        return frozenset(self._sums)

    def add(self, task: Counted, labels: TaskLabels, rules: Rules) -> None:
        """Let a task count."""
        sums = self._sums.get(labels)
        if sums is None:
            sums = self._sums[labels] = _Sums(labels)
        sums.counts[task.status] += 1
        if task.status.is_awaited:
            sums.await_end(task, rules)

    def take_away(self, task: Counted, labels: TaskLabels, rules: Rules) -> None:
        """Let a task count no more."""
        sums = self._sums[labels]
        sums.counts[task.status] -= 1
        if task.status.is_awaited:
            sums.await_no_more(task, rules)
        if not any(sums.counts.values()):
            del self._sums[labels]

    def change(self, before: Counted, after: Counted, labels: TaskLabels, by: Rules, rules: Rules) -> None:
        """Let a task that counts ``by`` some rules be like that, and count by these: only what differs is touched."""
        sums, was, status = self._sums[labels], before.status, after.status
        if status is not was:
            sums.counts[was] -= 1
            sums.counts[status] += 1
        if was.is_awaited and status.is_awaited and by is rules and _is_awaited_alike(before, after):
            if status is not was:
                sums.move_submission(after.submitted_at, was, status)
            return
        if was.is_awaited:
            sums.await_no_more(before, by)
        if status.is_awaited:
            sums.await_end(after, rules)

    def census(self, *, now: float, listed: Sequence[Entry], unlisted: int, duplicates: int) -> Census:
        """Everything as it is now."""
        each = self._sums.items()
        overdue = ((labels, sums.overdue_at.below(now)) for labels, sums in each)
        return Census(
            at=now,
            counts={(labels, status): count for labels, sums in each for status, count in sums.counts.items() if count},
            outstanding_credits={labels: sums.credits_nano / NANO for labels, sums in each if sums.estimated},
            overdue={labels: count for labels, count in overdue if count},
            oldest={
                (labels, status): times.first
                for labels, sums in each
                for status, times in sums.submitted_at.items()
                if times
            },
            listed=listed,
            unlisted=unlisted,
            duplicates=duplicates,
        )


def _is_awaited_alike(before: Counted, after: Counted) -> bool:
    """Whether nothing has changed of what a task adds besides its status."""
    return (
        before.eta_seconds == after.eta_seconds
        and before.credits_estimated == after.credits_estimated
        and before.submitted_at == after.submitted_at
    )


def _nano(estimate: float | None) -> int:
    return 0 if estimate is None else round(estimate * NANO)
