"""The ledger on SQLite: one transaction for an outcome and what it adds to the totals.

All calls block and belong to one thread at a time (``exporter.ledger.writer`` keeps it).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from secrets import token_hex
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Table,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from exporter.accounting.series import Exemplar, Increments, Series
from exporter.ledger.ledger import Aged, Batch, Books, Committed, Count, Entry, Learnt, LedgerError
from exporter.ledger.rows import (
    Row,
    batch_of,
    checked,
    learnt_of,
    learnt_row,
    number_of,
    numbers_of,
    open_row,
    outcome_row,
    ref_of,
    registration_key,
    registration_of,
    registration_row,
    series_rows,
    state_of_open,
    state_of_outcome,
)
from exporter.ledger.sqlite import BUSY_TIMEOUT, SqliteFile, reading_beside
from exporter.ledger.tables import batches, learnt, meters, open_tasks, outcomes, registrations, totals
from exporter.tasks.identity import IdKey, TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.state import TaskState, begin, merge

T = TypeVar("T")

CHUNK = 500
"""So many tasks are looked up by one statement; databases limit the parameters of one."""

TASK_TABLES = (outcomes, open_tasks)

_ROWID: ColumnElement[int] = literal_column("rowid", Integer)


class SqliteLedger:
    """``exporter.ledger.ledger.Ledger`` on one SQLite file. ``owner`` tells this process's ledger from any other's.

    ``busy_timeout`` is the seconds that a call waits for another process that holds the file.
    """

    def __init__(self, url: str, *, owner: str | None = None, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self._file = SqliteFile(url, busy_timeout=busy_timeout)
        self._owner = owner or token_hex(8)

    def open(self) -> None:
        self._file.open()
        try:
            with self._file.writing() as tx:
                tx.execute(update(batches).where(batches.c.writer == "").values(owner=self._owner))
        except LedgerError:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def books(self) -> Books:
        with self._file.reading() as tx:
            return Books(
                totals=numbers_of("totals", _all(tx, totals)),
                meters=numbers_of("meters", _all(tx, meters)),
                batch=checked("batches", self._writer(tx), batch_of),
            )

    # ---- tasks -----------------------------------------------------------------------------------------------------

    def recall(self, refs: Sequence[TaskRef], *, now: float) -> dict[TaskRef, TaskState]:
        with self._file.reading() as tx:
            found = _Found.of(tx, refs)
        if found.unnamed:
            with self._owned() as tx:
                found.name(tx, now=now)
        return found.states(refs)

    def commit(self, batch: Batch, *, now: float) -> Committed:
        with self._file.writing() as tx:
            if not self._take_number(tx, batch.number):
                return Committed(is_repeat=True)
            refs = [entry.state.ref for entry in batch.entries]
            rows = _BatchRows(_Known(_rows(tx, outcomes, refs), _rows(tx, open_tasks, refs)), now=now)
            for entry in batch.entries:
                rows.take(entry)
            rows.increments.merge(batch.marks)
            rows.write(tx)
            _grow(tx, meters, batch.meters)
        return Committed(rows.increments, rows.exemplars)

    def aged(self, *, before: float, except_accounts: Collection[str], limit: int) -> list[Aged]:
        found: list[Aged] = []
        with self._file.reading() as tx:
            for table in TASK_TABLES:
                for account in _accounts(tx, table):
                    if account not in except_accounts:
                        found += _aged(tx, table, account, before=before, limit=limit - len(found))
        return found

    def prune(self, *, gone: Sequence[Aged], kept: Sequence[Aged], now: float) -> int:
        with self._owned() as tx:
            deleted = sum(_delete_unnamed(tx, table, gone) for table in TASK_TABLES)
            for table in TASK_TABLES:
                _look_at(tx, table, gone, is_named=False, now=now)
                _look_at(tx, table, kept, is_named=True, now=now)
        return deleted

    # ---- registrations ---------------------------------------------------------------------------------------------

    def registrations(self) -> list[Registration]:
        with self._file.reading() as tx:
            rows = _all(tx, registrations, registrations.c.id)
            return [checked("registrations", row, registration_of) for row in rows]

    def register(self, new: Sequence[Registration], items: Sequence[Item], *, now: float) -> dict[TaskRef, TaskState]:
        refs = [item.ref for item in items]
        with self._owned() as tx:
            if new:  # what is there already stays as it is
                tx.execute(upsert(registrations).on_conflict_do_nothing(), [registration_row(each) for each in new])
            found = _Found.of(tx, refs)
            found.name(tx, now=now)
            known = found.states(refs)
            begun = {item.ref: begin(item, now=now) for item in items if item.ref not in known}
            if begun:
                tx.execute(insert(open_tasks), [open_row(state, now=now) for state in begun.values()])
        return known | begun

    def unregister(self, gone: Sequence[Registration]) -> None:
        with self._owned() as tx:
            for registration in gone:
                tx.execute(delete(registrations).filter_by(**registration_key(registration)))

    # ---- what the cadence has learnt -------------------------------------------------------------------------------

    def learnt(self) -> list[Learnt]:
        with self._file.reading() as tx:
            return [learnt_of(row) for row in _all(tx, learnt, learnt.c.kept_at)]

    def keep_learnt(self, news: Sequence[Learnt], *, now: float, limit: int) -> None:
        latest = select(_ROWID).select_from(learnt).order_by(learnt.c.kept_at.desc()).limit(limit)
        statement = upsert(learnt)
        newer = {name: statement.excluded[name] for name in ("text", "kept_at")}
        with self._owned() as tx:
            if news:
                rows = [learnt_row(each, now=now) for each in news]
                tx.execute(statement.on_conflict_do_update(index_elements=learnt.primary_key.columns, set_=newer), rows)
            tx.execute(delete(learnt).where(_ROWID.not_in(latest)))

    # ---- totals that are no longer wanted --------------------------------------------------------------------------

    def retire(self, is_unwanted: Callable[[Series], bool]) -> list[Series]:
        """Delete the totals of some series; return them. Whoever has them in memory must forget them, too."""
        with self._owned() as tx:
            found = [(row["rowid"], *checked("totals", row, number_of)) for row in _all(tx, totals)]
            gone = {rowid: series for rowid, series, _ in found if is_unwanted(series)}
            for chunk in _chunks(list(gone)):
                tx.execute(delete(totals).where(_ROWID.in_(chunk)))
        return list(gone.values())

    # ---- who may write ---------------------------------------------------------------------------------------------

    @contextmanager
    def _owned(self) -> Iterator[Connection]:
        """A transaction that writes, if no other process has become the writer."""
        with self._file.writing() as tx:
            last = self._writer(tx)
            if last["owner"] != self._owner:
                raise self._usurped(f"its last batch is number {last['number']} of another process")
            yield tx

    def _take_number(self, tx: Connection, number: int) -> bool:
        """Whether this batch is new; LedgerError where it is neither the next nor the last one of this process."""
        mine = (batches.c.writer == "", batches.c.owner == self._owner, batches.c.number == number - 1)
        if tx.execute(update(batches).where(*mine).values(number=number)).rowcount:
            return True
        last = self._writer(tx)
        if (last["owner"], last["number"]) == (self._owner, number):
            return False
        whose = "" if last["owner"] == self._owner else " of another process"
        finding = f"its last batch is number {last['number']}{whose}, where this exporter has number {number} to write"
        raise self._usurped(finding)

    def _writer(self, tx: Connection) -> Row:
        return tx.execute(select(batches, _ROWID).where(batches.c.writer == "")).mappings().one()

    def _usurped(self, finding: str) -> LedgerError:
        return LedgerError(
            f"ledger {self._file.name}: {finding}: another process writes this ledger, or it was restored from a copy"
            " while this exporter ran. Nothing is written any more. Stop the other process, if there is one, and then"
            " restart this exporter"
        )


def totals_beside(url: str) -> dict[Series, float]:
    """The totals of tasks in a ledger that another process may have open."""
    with reading_beside(url) as tx:
        return numbers_of("totals", _all(tx, totals))


# ---- one commit ------------------------------------------------------------------------------------------------------


class _Known:
    """What the ledger says of the tasks of one batch, kept true while the batch is being built."""

    def __init__(self, ended: Iterable[Row], open_: Iterable[Row]) -> None:
        self._ended: dict[IdKey, list[TaskRef]] = {}
        self._followed: dict[IdKey, list[TaskRef]] = {}
        self._run: dict[IdKey, list[tuple[TaskRef, float]]] = {}
        self._open: dict[IdKey, list[tuple[TaskRef, int]]] = {}
        for row in ended:
            _note(self._ended, _ref(row))
        for row in open_:
            ref = _ref(row)
            for key in ref.ids():
                self._open.setdefault(key, []).append((ref, row["rowid"]))
            if row["is_followed"]:
                _note(self._followed, ref)
            if row["running_at"] is not None:
                self._note_run(ref, row["running_at"])

    def has_ended(self, ref: TaskRef) -> bool:
        return _names_one_of(ref, self._ended)

    def is_followed(self, ref: TaskRef) -> bool:
        """Whether the task has been counted as followed."""
        return _names_one_of(ref, self._followed)

    def running_at(self, ref: TaskRef) -> float | None:
        """When the task was seen running, which has been counted then; None where it was not."""
        return next((at for key in ref.ids() for other, at in self._run.get(key, ()) if other.may_be(ref)), None)

    def open_rows(self, ref: TaskRef) -> set[int]:
        """The ids of the rows that a new row of this task replaces."""
        return {row for key in ref.ids() for other, row in self._open.get(key, ()) if other.may_be(ref)}

    def note(self, state: TaskState, *, is_followed: bool) -> None:
        """Take what the batch is about to write for what the ledger says."""
        if state.is_terminal:
            _note(self._ended, state.ref)
        if is_followed:
            _note(self._followed, state.ref)
        if state.running_at is not None:
            self._note_run(state.ref, state.running_at)

    def _note_run(self, ref: TaskRef, at: float) -> None:
        for key in ref.ids():
            self._run.setdefault(key, []).append((ref, at))


class _BatchRows:
    """The rows that one transaction writes, and what it adds to the totals."""

    def __init__(self, known: _Known, *, now: float) -> None:
        self.increments = Increments()
        self.exemplars: dict[Series, Exemplar] = {}
        self._known = known
        self._now = now
        self._outcomes: list[dict[str, Any]] = []
        self._open: dict[TaskRef, dict[str, Any]] = {}
        self._stale: set[int] = set()

    def take(self, entry: Entry) -> None:
        ref = entry.state.ref
        if self._known.has_ended(ref):
            return  # counted before, whatever this process believed
        is_followed, running_at = self._known.is_followed(ref), self._known.running_at(ref)
        if entry.followed and not is_followed:
            self._count(entry.followed)
            is_followed = True
        if entry.started and running_at is None:
            self._count(entry.started)
        if entry.ended:
            self._count(entry.ended)
        self._stale |= self._known.open_rows(ref)
        if entry.state.is_terminal:
            self._outcomes.append(outcome_row(entry.state, now=self._now))
            self._open.pop(ref, None)
        else:
            # whoever has followed the task anew meanwhile may not know that it ran: that it was counted must stay known
            state = replace(entry.state, running_at=running_at) if entry.state.running_at is None else entry.state
            self._open[ref] = open_row(state, now=self._now, is_followed=is_followed)
        self._known.note(entry.state, is_followed=is_followed)

    def write(self, tx: Connection) -> None:
        for chunk in _chunks(sorted(self._stale)):
            tx.execute(delete(open_tasks).where(open_tasks.c.id.in_(chunk)))
        if self._open:
            tx.execute(insert(open_tasks), list(self._open.values()))
        if self._outcomes:
            tx.execute(insert(outcomes), self._outcomes)
        _grow(tx, totals, self.increments)

    def _count(self, count: Count) -> None:
        self.increments.merge(count.increments)
        self.exemplars.update(count.exemplars)


def _ref(row: Row) -> TaskRef:
    return TaskRef(row["account"], row["task_id"], row["out_task_id"])


def _note(named: dict[IdKey, list[TaskRef]], ref: TaskRef) -> None:
    for key in ref.ids():
        named.setdefault(key, []).append(ref)


def _names_one_of(ref: TaskRef, named: Mapping[IdKey, list[TaskRef]]) -> bool:
    return any(other.may_be(ref) for key in ref.ids() for other in named.get(key, ()))


def _grow(tx: Connection, table: Table, increments: Increments) -> None:
    if not increments:
        return
    statement = upsert(table)
    grown = statement.on_conflict_do_update(
        index_elements=["family", "labels", "part"], set_={"value": table.c.value + statement.excluded.value}
    )
    tx.execute(grown, series_rows(increments))


# ---- look-ups --------------------------------------------------------------------------------------------------------


class _Found:
    """The rows of some tasks, and the states that they keep."""

    def __init__(self, ended: Sequence[Row], open_: Sequence[Row]) -> None:
        self._by_key: dict[IdKey, list[TaskState]] = {}
        for state in (
            *(checked("outcomes", row, state_of_outcome) for row in ended),
            *(checked("open_tasks", row, state_of_open) for row in open_),
        ):
            for key in state.ref.ids():
                self._by_key.setdefault(key, []).append(state)
        self.unnamed = [
            (table, row["id"])
            for table, rows in ((outcomes, ended), (open_tasks, open_))
            for row in rows
            if not row["is_named"]
        ]

    @classmethod
    def of(cls, tx: Connection, refs: Sequence[TaskRef]) -> "_Found":
        return cls(_rows(tx, outcomes, refs), _rows(tx, open_tasks, refs))

    def name(self, tx: Connection, *, now: float) -> None:
        """Note that a source names these tasks again, where the pruning has noted that none does."""
        for table, row in self.unnamed:
            tx.execute(update(table).where(table.c.id == row).values(is_named=True, looked_at=now))

    def states(self, refs: Sequence[TaskRef]) -> dict[TaskRef, TaskState]:
        found = ((ref, self._state(ref)) for ref in refs)
        return {ref: state for ref, state in found if state is not None}

    def _state(self, ref: TaskRef) -> TaskState | None:
        states = [state for key in ref.ids() for state in self._by_key.get(key, ()) if state.ref.may_be(ref)]
        return reduce(merge, states) if states else None


def _rows(tx: Connection, table: Table, refs: Sequence[TaskRef]) -> list[Row]:
    """The rows of these tasks, by either id."""
    named: dict[tuple[str, str], set[str]] = {}
    for ref in refs:
        for account, kind, name in ref.ids():
            named.setdefault((account, kind), set()).add(name)
    found: dict[int, Row] = {}
    for (account, kind), names in named.items():
        for chunk in _chunks(sorted(names)):
            query = select(table, _ROWID).where(table.c.account == account, table.c[kind].in_(chunk))
            found |= {row["id"]: row for row in tx.execute(query).mappings()}
    return list(found.values())


def _all(tx: Connection, table: Table, *order: Any) -> Sequence[Row]:
    return tx.execute(select(table, _ROWID).order_by(*order)).mappings().all()


def _accounts(tx: Connection, table: Table) -> Iterator[str]:
    """The accounts that have rows, by one step through an index for each."""
    account = ""
    while (after := tx.scalar(select(func.min(table.c.account)).where(table.c.account > account))) is not None:
        yield (account := after)


def _aged(tx: Connection, table: Table, account: str, *, before: float, limit: int) -> list[Aged]:
    query = (
        select(table, _ROWID)
        .where(table.c.account == account, table.c.looked_at < before)
        .order_by(table.c.looked_at)
        .limit(limit)
    )
    return [
        Aged(table.name, row["rowid"], row["looked_at"], checked(table.name, row, ref_of))
        for row in tx.execute(query).mappings()
    ]


def _delete_unnamed(tx: Connection, table: Table, gone: Sequence[Aged]) -> int:
    """Delete those that no source named when they were last looked at, either; return how many there were."""
    rows = _bound(table, gone)
    return tx.execute(delete(table).where(*_still(table), ~table.c.is_named), rows).rowcount if rows else 0


def _look_at(tx: Connection, table: Table, aged: Sequence[Aged], *, is_named: bool, now: float) -> None:
    rows = _bound(table, aged)
    if rows:
        tx.execute(update(table).where(*_still(table)).values(is_named=is_named, looked_at=now), rows)


def _still(table: Table) -> tuple[Any, Any]:
    """That a row is the one it was: the number of a deleted row may be given to another."""
    return table.c.id == bindparam("aged_row"), table.c.looked_at == bindparam("aged_at")


def _bound(table: Table, aged: Sequence[Aged]) -> list[dict[str, Any]]:
    return [{"aged_row": each.row, "aged_at": each.looked_at} for each in aged if each.table == table.name]


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[at : at + CHUNK] for at in range(0, len(values), CHUNK))
