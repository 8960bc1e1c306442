"""What one batch really adds, by what the ledger knows of its tasks: the same for every database.

An outcome, a start and a first answer count once, under whichever of its names a task comes. What is decided is kept
true while the batch goes on: it may name a task twice.
"""

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
        self.increments = Increments()
        self.exemplars: dict[Series, Exemplar] = {}
        self.outcomes: list[Row] = []
        self.stale: set[int] = set()
        self._open: dict[TaskRef, Row] = {}
        self._now = now
        self._facts: dict[IdKey, list[Fact]] = {}
        for fact in facts:
            self._note(fact)

    @property
    def open(self) -> Sequence[Row]:
        """The rows of tasks that have not ended."""
        return list(self._open.values())

    def take(self, entry: Entry) -> None:
        """Count what the entry says and nobody has counted, and keep its state."""
        state = entry.state
        known = self._known(state.ref)
        if any(fact.has_ended for fact in known):
            return  # counted before, whatever this process believed
        is_followed = any(fact.is_followed for fact in known)
        running_at = next((fact.running_at for fact in known if fact.running_at is not None), None)
        if entry.followed and not is_followed:
            self._count(entry.followed)
            is_followed = True
        if entry.started and running_at is None:
            self._count(entry.started)
        if entry.ended:
            self._count(entry.ended)
        self.stale.update(fact.row for fact in known if fact.row is not None)
        if state.is_terminal:
            self.outcomes.append(outcome_row(state, now=self._now))
            if self._open:
                self._open.pop(state.ref, None)
        else:
            # whoever has followed the task anew meanwhile may not know that it ran: that it was counted must stay known
            self._open[state.ref] = open_row(state, now=self._now, is_followed=is_followed, running_at=running_at)
        self._note(Fact(state.ref, state.is_terminal, is_followed, state.running_at))

    def _known(self, ref: TaskRef) -> Sequence[Fact]:
        noted = self._facts
        if ref.task_id and ref.out_task_id:
            by_own = noted.get((ref.account, "task_id", ref.task_id), ())
            by_other = noted.get((ref.account, "out_task_id", ref.out_task_id), ())
            found = [*by_own, *by_other] if by_other else by_own
        else:
            found = next((noted.get(key, ()) for key in ref.ids()), ())
        return [fact for fact in found if fact.ref.may_be(ref)] if found else ()

    def _note(self, fact: Fact) -> None:
        for key in fact.ref.ids():
            noted = self._facts.get(key)
            if noted is None:
                self._facts[key] = [fact]
            else:
                noted.append(fact)

    def _count(self, count: Count) -> None:
        self.increments.merge(count.increments)
        if count.exemplars:
            self.exemplars.update(count.exemplars)


def by_names(refs: Iterable[TaskRef]) -> Mapping[tuple[str, str], set[str]]:
    """The ids of these tasks, by account and kind: what one statement each can ask for."""
    named: dict[tuple[str, str], set[str]] = {}
    for ref in refs:
        for account, kind, name in ref.ids():
            names = named.get((account, kind))
            if names is None:
                named[account, kind] = {name}
            else:
                names.add(name)
    return named
