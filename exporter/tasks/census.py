"""The followed tasks counted by labels and status, kept up as each of them changes.

Whatever a scrape asks for is kept ready: a census costs as much as there are label sets, however many tasks there are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

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


class _Sums:
    """The sums of the shares of all tasks that have the same labels; a status may be there that none has."""

    __slots__ = ("counts", "credits_nano", "estimated", "overdue_at", "submitted_at")

    def __init__(self) -> None:
        self.counts: defaultdict[Status, int] = defaultdict(int)
        self.credits_nano = 0
        self.estimated = 0
        self.overdue_at = SortedNumbers()
        self.submitted_at: defaultdict[Status, SortedNumbers] = defaultdict(SortedNumbers)

    def await_end(self, share: Share) -> None:
        """Add what a task adds besides its count until its end."""
        if share.credits_nano:
            self.credits_nano += share.credits_nano
            self.estimated += 1
        if share.overdue_at is not None:
            self.overdue_at.add(share.overdue_at)
        if share.submitted_at is not None:
            self.submitted_at[share.status].add(share.submitted_at)

    def await_no_more(self, share: Share) -> None:
        """Take away what it has added so."""
        if share.credits_nano:
            self.credits_nano -= share.credits_nano
            self.estimated -= 1
        if share.overdue_at is not None:
            self.overdue_at.remove(share.overdue_at)
        if share.submitted_at is not None:
            self.submitted_at[share.status].remove(share.submitted_at)

    def move_submission(self, at: float, was: Status, status: Status) -> None:
        """Let a task that is awaited as before have another status."""
        if was is not UNKNOWN:
            self.submitted_at[was].remove(at)
        if status is not UNKNOWN:
            self.submitted_at[status].add(at)


class Tally:
    """The sums of the shares of all tasks. What a step costs hardly grows with the number of tasks."""

    def __init__(self) -> None:
        self._sums: defaultdict[TaskLabels, _Sums] = defaultdict(_Sums)

    @property
    def label_sets(self) -> frozenset[TaskLabels]:
        """The labels that at least one task has."""
        return frozenset(self._sums)

    def add(self, share: Share) -> None:
        sums = self._sums[share.labels]
        sums.counts[share.status] += 1
        sums.await_end(share)

    def take_away(self, share: Share) -> None:
        sums = self._sums[share.labels]
        sums.counts[share.status] -= 1
        sums.await_no_more(share)
        if not any(sums.counts.values()):
            del self._sums[share.labels]

    def change(self, labels: TaskLabels, before: Counted, after: Counted, rules: Rules) -> None:
        """Take away what a task has added by these rules, and add what it adds now: only what differs is touched."""
        sums, was, status = self._sums[labels], before.status, after.status
        if status is not was:
            sums.counts[was] -= 1
            sums.counts[status] += 1
        if was.is_awaited and status.is_awaited and _is_awaited_alike(before, after):
            if status is not was:
                sums.move_submission(after.submitted_at, was, status)
            return
        if was.is_awaited:
            sums.await_no_more(share_of(before, labels, rules))
        if status.is_awaited:
            sums.await_end(share_of(after, labels, rules))

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


def share_of(task: Counted, labels: TaskLabels, rules: Rules) -> Share:
    """What a task adds under these rules. Of one that no answer has shown yet nothing is known but that it is there;
    one that was followed anew may be so though an earlier answer is remembered."""
    status, submitted_at = task.status, task.submitted_at
    if not status.is_awaited:
        return Share(labels, status, task.finished_at)
    eta = task.eta_seconds or rules.default_eta.get(labels.group, 0.0)
    return Share(
        labels,
        status,
        None,
        submitted_at if status is not UNKNOWN else None,
        submitted_at + rules.overdue_factor * eta if eta > 0 else None,
        round((task.credits_estimated or 0.0) * NANO),
    )


def _is_awaited_alike(before: Counted, after: Counted) -> bool:
    """Whether nothing has changed of what a task adds besides its status."""
    return (
        before.eta_seconds == after.eta_seconds
        and before.credits_estimated == after.credits_estimated
        and before.submitted_at == after.submitted_at
    )
