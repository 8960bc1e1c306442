"""What one batch really adds, by what the ledger knows of its tasks: the same for every database.

An outcome, a start and a first answer count once, under whichever of its names a task comes. What is decided is kept
true while the batch goes on: it may name a task twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from exporter.accounting.series import Exemplar, Increments, Series
from exporter.ledger.ledger import Count, Entry
from exporter.ledger.rows import Row, open_row, outcome_row
from exporter.tasks.identity import IdKey, TaskRef


class Fact(NamedTuple):
    """What the ledger says of a task: that it has ended; or whether it has been counted as followed, when it was seen
    running, which was counted then, and the row that says so."""

    ref: TaskRef
    has_ended: bool = False
    is_followed: bool = False
    running_at: float | None = None
    row: int | None = None


class Decision:
    """The rows that one transaction writes, and what it adds to the totals.

    ``stale`` are the rows of open tasks that these replace.
    """

    def __init__(self, facts: Iterable[Fact], *, now: float) -> None:
        self.exemplars: dict[Series, Exemplar] = {}
        self.outcomes: list[Row] = []
        self.stale: set[int] = set()
        self._open: dict[TaskRef, Row] = {}
        self._sums: dict[Series, list[float]] = {}
        self._now = now
        self._facts: dict[IdKey, list[Fact]] = {}
        for fact in facts:
            self._note(fact)

    @property
    def open(self) -> Sequence[Row]:
        """The rows of tasks that have not ended."""
        return list(self._open.values())

    @property
    def increments(self) -> Increments:
        """What all that was counted adds up to."""
        return Increments({series: amount for series, (amount,) in self._sums.items()})

    def add(self, increments: Mapping[Series, float]) -> None:
        """Add this, whoever else has added it.

        Of one event after the other, each number is added to where it stands: a series is looked for once.
        """
        for series, by in increments.items():
            standing = self._sums.get(series)
            if standing is None:
                self._sums[series] = [by]
            else:
                standing[0] += by

    def take(self, entry: Entry) -> None:
        """Count what the entry says and nobody has counted, and keep its state."""
        state = entry.state
        ref, has_ended = state.ref, state.is_terminal
        is_followed, running_at = False, None
        known = self._known(ref)
        for fact in known:
            if fact.has_ended:
                return  # counted before, whatever this process believed
            is_followed |= fact.is_followed
            running_at = fact.running_at if running_at is None else running_at
        if known:
            self.stale.update(fact.row for fact in known if fact.row is not None)
        if entry.followed and not is_followed:
            self._count(entry.followed)
            is_followed = True
        if entry.started and running_at is None:
            self._count(entry.started)
        if entry.ended:
            self._count(entry.ended)
        if has_ended:
            self.outcomes.append(outcome_row(state, now=self._now))
            if self._open:
                self._open.pop(ref, None)
        else:
            # whoever has followed the task anew meanwhile may not know that it ran: that it was counted must stay known
            self._open[ref] = open_row(state, now=self._now, is_followed=is_followed, running_at=running_at)
        self._note(Fact(ref, has_ended, is_followed, state.running_at))

    def _known(self, ref: TaskRef) -> Sequence[Fact]:
        """What is known of a task, by either of its names."""
        by_own = self._facts.get((ref.account, "task_id", ref.task_id)) if ref.task_id else None
        by_other = self._facts.get((ref.account, "out_task_id", ref.out_task_id)) if ref.out_task_id else None
        if by_own is by_other is None:
            return ()
        return [fact for fact in (*(by_own or ()), *(by_other or ())) if fact.ref.may_be(ref)]

    def _note(self, fact: Fact) -> None:
        ref = fact.ref
        if ref.task_id:
            self._facts.setdefault((ref.account, "task_id", ref.task_id), []).append(fact)
        if ref.out_task_id:
            self._facts.setdefault((ref.account, "out_task_id", ref.out_task_id), []).append(fact)

    def _count(self, count: Count) -> None:
        self.add(count.increments)
        if count.exemplars:
            self.exemplars.update(count.exemplars)


def by_names(refs: Iterable[TaskRef]) -> Mapping[tuple[str, str], set[str]]:
    """The ids of these tasks, by account and kind: what one statement each can ask for."""
    named: dict[tuple[str, str], set[str]] = defaultdict(set)
    for ref in refs:
        if ref.task_id:
            named[ref.account, "task_id"].add(ref.task_id)
        if ref.out_task_id:
            named[ref.account, "out_task_id"].add(ref.out_task_id)
    return named
