"""The ledger on SQLite: one transaction for an outcome and what it adds to the totals.

All calls block and belong to one thread (``exporter.ledger.writer`` keeps it).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import TypeVar

from sqlalchemy import Connection, Table, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from exporter.accounting.series import Exemplar, Increments, Series
from exporter.ledger.entry import Committed, Count, Entry
from exporter.ledger.known import Known
from exporter.ledger.registrations import delete_registrations, insert_registrations, select_registrations
from exporter.ledger.rows import open_row, outcome_row, series_of, state_of_open, state_of_outcome, total_rows
from exporter.ledger.sqlite import SqliteFile, mapped_errors
from exporter.ledger.tables import open_tasks, outcomes, totals
from exporter.tasks.identity import IdKey, TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.state import TaskState, begin, merge

T = TypeVar("T")

CHUNK = 500
"""So many tasks are looked up by one statement; databases limit the parameters of one."""

PRUNE_AT_ONCE = 5000


class Ledger:
    """The durable record of one exporter. Every method raises LedgerError where the ledger cannot do it."""

    def __init__(self, url: str) -> None:
        self._file = SqliteFile(url)

    def open(self) -> None:
        """Take the ledger for this process alone, and bring its tables to this version."""
        self._file.open()

    def close(self) -> None:
        self._file.close()

    def totals(self) -> dict[Series, float]:
        """Everything that has been added up so far; its size is that of /metrics, not of history."""
        with self._transaction() as tx:
            return {series_of(*name): value for *name, value in tx.execute(select(totals))}

    def recall(self, refs: Sequence[TaskRef]) -> dict[TaskRef, TaskState]:
        """What is known of these tasks from earlier, by the reference that was asked for."""
        with self._transaction() as tx:
            return _recall(tx, refs)

    def registrations(self) -> list[Registration]:
        """Every registration, in the order in which they came."""
        with self._transaction() as tx:
            return select_registrations(tx)

    def register(self, new: Sequence[Registration], items: Sequence[Item], *, now: float) -> dict[TaskRef, TaskState]:
        """Keep registrations and the first sight of their items; return what is now known of the items' tasks."""
        with self._transaction() as tx:
            insert_registrations(tx, new)
            known = _recall(tx, [item.ref for item in items])
            begun = {item.ref: begin(item, now=now) for item in items if item.ref not in known}
            if begun:
                tx.execute(insert(open_tasks), [open_row(state, saved_at=now) for state in begun.values()])
        return known | begun

    def unregister(self, gone: Sequence[Registration]) -> None:
        """Keep these registrations no more; what is known of their tasks stays."""
        with self._transaction() as tx:
            delete_registrations(tx, gone)

    def commit(self, entries: Sequence[Entry], meters: Increments, *, now: float) -> Committed:
        """Make the entries durable and add what they count, once for each task; ``meters`` are added as they are."""
        batch = _Batch(meters)
        with self._transaction() as tx:
            known = Known(_rows(tx, outcomes, [e.state.ref for e in entries]), _open_rows(tx, entries))
            for entry in entries:
                batch.take(entry, known, now=now)
            batch.write(tx)
        return Committed(batch.increments, batch.exemplars)

    def prune(self, *, before: float, followed: Collection[IdKey]) -> int:
        """Delete rows last touched before then, save those of followed tasks; return how many went.

        What they counted stays counted. A followed task keeps its row, for without it the next answer would count.
        """
        with self._transaction() as tx:
            return sum(
                _prune(tx, table, column.name, before, followed)
                for table, column in ((outcomes, outcomes.c.finished_at), (open_tasks, open_tasks.c.saved_at))
            )

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with mapped_errors(self._file.name), self._file.connection.begin():
            yield self._file.connection


class _Batch:
    """The rows that one transaction writes."""

    def __init__(self, meters: Increments) -> None:
        self.increments = meters.copy()
        self.exemplars: dict[Series, Exemplar] = {}
        self._outcomes: list[Mapping[str, object]] = []
        self._open: dict[TaskRef, Mapping[str, object]] = {}
        self._stale: set[int] = set()

    def take(self, entry: Entry, known: Known, *, now: float) -> None:
        ref = entry.state.ref
        if known.has_ended(ref):
            return  # counted before, whatever this process believed
        if entry.started and not known.has_run(ref):
            self._count(entry.started)
        if entry.ended:
            self._count(entry.ended)
        self._stale |= known.open_rows(ref)
        if entry.state.is_terminal:
            self._outcomes.append(outcome_row(entry.state))
            self._open.pop(ref, None)
        else:
            self._open[ref] = open_row(entry.state, saved_at=now)
        known.note(entry.state)

    def write(self, tx: Connection) -> None:
        for chunk in _chunks(sorted(self._stale)):
            tx.execute(delete(open_tasks).where(open_tasks.c.id.in_(chunk)))
        if self._open:
            tx.execute(insert(open_tasks), list(self._open.values()))
        if self._outcomes:
            tx.execute(insert(outcomes), self._outcomes)
        if self.increments:
            statement = upsert(totals)
            grown = statement.on_conflict_do_update(
                index_elements=["family", "labels", "part"], set_={"value": totals.c.value + statement.excluded.value}
            )
            tx.execute(grown, total_rows(self.increments))

    def _count(self, count: Count) -> None:
        self.increments.merge(count.increments)
        self.exemplars.update(count.exemplars)


def _rows(tx: Connection, table: Table, refs: Sequence[TaskRef]) -> list[Mapping[str, object]]:
    """The rows of these tasks, by either id."""
    named: dict[tuple[str, str], set[str]] = {}
    for ref in refs:
        for account, kind, name in ref.ids():
            named.setdefault((account, kind), set()).add(name)
    found: dict[int, Mapping[str, object]] = {}
    for (account, kind), names in named.items():
        for chunk in _chunks(sorted(names)):
            query = select(table).where(table.c.account == account, table.c[kind].in_(chunk))
            found |= {row["id"]: row for row in tx.execute(query).mappings()}
    return list(found.values())


def _recall(tx: Connection, refs: Sequence[TaskRef]) -> dict[TaskRef, TaskState]:
    states = [state_of_outcome(row) for row in _rows(tx, outcomes, refs)]
    states += [state_of_open(row) for row in _rows(tx, open_tasks, refs)]
    by_key: dict[IdKey, list[TaskState]] = {}
    for state in states:
        for key in state.ref.ids():
            by_key.setdefault(key, []).append(state)
    found = ((ref, _merged(ref, by_key)) for ref in refs)
    return {ref: state for ref, state in found if state is not None}


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[at : at + CHUNK] for at in range(0, len(values), CHUNK))


def _open_rows(tx: Connection, entries: Sequence[Entry]) -> list[Mapping[str, object]]:
    return _rows(tx, open_tasks, [entry.state.ref for entry in entries])


def _merged(ref: TaskRef, by_key: Mapping[IdKey, list[TaskState]]) -> TaskState | None:
    states = [state for key in ref.ids() for state in by_key.get(key, ()) if state.ref.may_be(ref)]
    return reduce(merge, states) if states else None


def _prune(tx: Connection, table: Table, dated: str, before: float, followed: Collection[IdKey]) -> int:
    old = select(table.c.id, table.c.account, table.c.task_id, table.c.out_task_id).where(table.c[dated] < before)
    gone = [
        row.id
        for row in tx.execute(old.limit(PRUNE_AT_ONCE + len(followed)))
        if not any(key in followed for key in TaskRef(row.account, row.task_id, row.out_task_id).ids())
    ]
    for chunk in _chunks(gone):
        tx.execute(delete(table).where(table.c.id.in_(chunk)))
    return len(gone)
