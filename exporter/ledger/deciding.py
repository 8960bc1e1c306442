"""What one batch really adds, by what the ledger knows of its tasks: the same for every database.

An outcome, a start and a first answer count once, under whichever of its names a task comes: what is kept of it bears
all the names that anybody knew. What is decided is kept true while the batch goes on: it may name a task twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import msgspec
from msgspec.structs import replace

from exporter.accounting.series import Exemplar, Increments, Series, summed
from exporter.ledger.ledger import Count, Entry
from exporter.ledger.names import ByName
from exporter.ledger.rows import Row, open_row, outcome_row
from exporter.tasks.identity import TaskRef
from exporter.tasks.state import TaskState


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What the ledger says of a task: that it has ended; or whether it has been counted as followed, when it was seen
    running, which was counted then, and the row that says so."""

    ref: TaskRef
    has_ended: bool = False
    is_followed: bool = False
    running_at: float | None = None
    row: int | None = None


class Decision:
    """The rows that one transaction writes, and what it adds to the totals.

    ``stale`` are the rows of open tasks that these replace. Where all that is taken bears ``distinct`` names, what is
    decided of one task need be noted for the next only if other names are known of it.
    """

    def __init__(self, facts: Iterable[Fact], *, distinct: bool = False) -> None:
        self.outcomes: list[Row] = []
        self.stale: set[int] = set()
        self._open: dict[TaskRef, Row] = {}
        self._places: dict[TaskRef, int] = {}
        self._counts: list[Count] = []
        self._distinct = distinct
        self._facts = ByName(facts)

    @property
    def open(self) -> Sequence[Row]:
        """The new rows of tasks that have not ended."""
        return [row for ref, row in self._open.items() if self._place(ref) is None]

    @property
    def rewritten(self) -> Sequence[tuple[int, Row]]:
        """The rows of such tasks that have one of the same names already, each with the number of that."""
        return [(place, row) for ref, row in self._open.items() if (place := self._place(ref)) is not None]

    @property
    def increments(self) -> Increments:
        """What all that was counted adds up to."""
        return summed(count.increments for count in self._counts)

    @property
    def exemplars(self) -> Mapping[Series, Exemplar]:
        """The latest event of each series that can show one."""
        return {series: exemplar for count in self._counts for series, exemplar in count.exemplars.items()}

    def take(self, entry: Entry) -> None:
        """Count what the entry says and nobody has counted, and keep its state."""
        known = self._facts.find(entry.state.ref)
        if known:
            self._take_known(entry, known)
            return
        self._count(entry.followed, entry.started, entry.ended)
        self._keep(entry.state, is_followed=entry.followed is not None)
        if not self._distinct:
            self._note(entry.state, is_followed=entry.followed is not None)

    def _take_known(self, entry: Entry, known: Sequence[Fact]) -> None:
        known, fact = self._all_known(entry.state.ref, known)
        if fact.has_ended:
            return  # counted before, whatever this process believed
        self._count(
            None if fact.is_followed else entry.followed,
            None if fact.running_at is not None else entry.started,
            entry.ended,
        )
        state = entry.state if entry.state.ref == fact.ref else replace(entry.state, ref=fact.ref)
        is_followed = fact.is_followed or entry.followed is not None
        self._replace(known, by=None if state.status.is_terminal else fact.ref)
        # whoever has followed the task anew meanwhile may not know that it ran: that it was counted must stay known
        self._keep(state, is_followed=is_followed, running_at=fact.running_at)
        if not self._distinct or len(known) > 1 or known[0].ref != entry.state.ref:
            self._note(state, is_followed=is_followed)

    def _all_known(self, ref: TaskRef, known: Sequence[Fact]) -> tuple[Sequence[Fact], Fact]:
        """All that is known of a task, and the same as one: a name that one fact lends may lead to the next."""
        fact = reduce(_joined, known)
        if fact.ref == ref:
            return known, fact
        joined = ref.joined(fact.ref)
        return (known, replace(fact, ref=ref)) if joined == ref else self._all_known(joined, self._facts.find(joined))

    def _count(self, followed: Count | None, started: Count | None, ended: Count | None) -> None:
        if followed:
            self._counts.append(followed)
        if started:
            self._counts.append(started)
        if ended:
            self._counts.append(ended)

    def _keep(self, state: TaskState, *, is_followed: bool, running_at: float | None = None) -> None:
        if state.status.is_terminal:
            self.outcomes.append(outcome_row(state))
        else:
            self._open[state.ref] = open_row(state, is_followed=is_followed, running_at=running_at)

    def _note(self, state: TaskState, *, is_followed: bool) -> None:
        """Let this be known for the rest of the batch."""
        self._facts.add(Fact(state.ref, state.status.is_terminal, is_followed, state.running_at))

    def _replace(self, known: Sequence[Fact], *, by: TaskRef | None) -> None:
        """Replace the rows of what is known: one of the very same names is written anew where it stands."""
        for fact in known:
            if fact.row is None:  # decided before in this batch
                if fact.ref != by:
                    self._open.pop(fact.ref, None)
            elif fact.ref != by or self._places.setdefault(by, fact.row) != fact.row:
                self.stale.add(fact.row)

    def _place(self, ref: TaskRef) -> int | None:
        place = self._places.get(ref) if self._places else None
        return None if place in self.stale else place


def _joined(one: Fact, other: Fact) -> Fact:
    """Both as one; the start that is told first is believed."""
    return replace(
        one,
        ref=one.ref.joined(other.ref),
        has_ended=one.has_ended or other.has_ended,
        is_followed=one.is_followed or other.is_followed,
        running_at=other.running_at if one.running_at is None else one.running_at,
    )
