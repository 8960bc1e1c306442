"""The ledger on SQLite: one transaction for an outcome and what it adds to the totals.

All calls block and belong to one thread at a time (``exporter.ledger.writer`` keeps it).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from secrets import token_hex
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Table,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from exporter.accounting.series import Series
from exporter.ledger.deciding import Decision
from exporter.ledger.ledger import Aged, Batch, Books, Committed, Learnt, LedgerError
from exporter.ledger.names import ByName, names_of
from exporter.ledger.rows import (
    BATCH_COLUMNS,
    LEARNT_COLUMNS,
    OPEN_COLUMNS,
    OUTCOME_COLUMNS,
    REGISTRATION_COLUMNS,
    REGISTRATION_KEY,
    SERIES_COLUMNS,
    LabelTexts,
    NumberReader,
    Row,
    batch_of,
    checked,
    learnt_of,
    learnt_row,
    numbers_of,
    open_row,
    ref_of,
    registration_key,
    registration_of,
    registration_row,
    state_of_open,
    state_of_outcome,
)
from exporter.ledger.sqlite import BUSY_TIMEOUT, SqliteFile, reading_beside
from exporter.ledger.statements import chunked, facts_of, fetched, grow, insert, named_rows, write
from exporter.ledger.tables import batches, learnt, open_tasks, outcomes, registrations, totals
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.state import TaskState, begin, merge

TASK_TABLES = (outcomes, open_tasks)

_ROWID: ColumnElement[int] = literal_column("rowid", Integer)


class SqliteLedger:
    """``exporter.ledger.ledger.Ledger`` on one SQLite file. ``owner`` tells this process's ledger from any other's.

    ``busy_timeout`` is the seconds that a call waits for another process that holds the file.
    """

    def __init__(self, url: str, *, owner: str | None = None, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self._file = SqliteFile(url, busy_timeout=busy_timeout)
        self._owner = owner or token_hex(8)
        self._texts = LabelTexts()

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
                totals=numbers_of("totals", _all(tx, "totals", SERIES_COLUMNS)),
                meters=numbers_of("meters", _all(tx, "meters", SERIES_COLUMNS)),
                batch=checked("batches", self._writer(tx), batch_of),
            )

    # ---- tasks -----------------------------------------------------------------------------------------------------

    def recall(self, refs: Sequence[TaskRef], *, now: float) -> dict[TaskRef, TaskState]:
        with self._file.reading() as tx:
            found = _Found.of(tx, refs)
        if not found.are_all_named:
            with self._owned() as tx:
                found.name(tx, now=now)
        return found.states(refs)

    def commit(self, batch: Batch, *, now: float) -> Committed:
        with self._file.writing() as tx:
            if not self._take_number(tx, batch.number):
                return Committed(is_repeat=True)
            named = names_of(entry.state.ref for entry in batch.entries)
            decision = Decision(facts_of(tx, named), now=now, distinct=named.are_distinct)
            for entry in batch.entries:
                decision.take(entry)
            decision.add(batch.marks)
            increments = decision.increments
            write(tx, decision)
            grow(tx, "totals", increments, self._texts)
            grow(tx, "meters", batch.meters, self._texts)
        return Committed(increments, decision.exemplars)

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
            rows = _all(tx, "registrations", REGISTRATION_COLUMNS, order="id")
            return [checked("registrations", row, registration_of) for row in rows]

    def register(self, new: Sequence[Registration], items: Sequence[Item], *, now: float) -> dict[TaskRef, TaskState]:
        refs = [item.ref for item in items]
        with self._owned() as tx:
            there = "ON CONFLICT DO NOTHING"  # what is there already stays as it is
            insert(tx, "registrations", REGISTRATION_COLUMNS, [registration_row(each) for each in new], otherwise=there)
            found = _Found.of(tx, refs)
            found.name(tx, now=now)
            known = found.states(refs)
            begun = {item.ref: begin(item, now=now) for item in items if item.ref not in known}
            insert(tx, "open_tasks", OPEN_COLUMNS, [open_row(state, now=now) for state in begun.values()])
        return known | begun

    def unregister(self, gone: Sequence[Registration]) -> None:
        with self._owned() as tx:
            for registration in gone:
                key = dict(zip(REGISTRATION_KEY, registration_key(registration), strict=True))
                tx.execute(delete(registrations).filter_by(**key))

    # ---- what the cadence has learnt -------------------------------------------------------------------------------

    def learnt(self) -> list[Learnt]:
        with self._file.reading() as tx:
            return [learnt_of(row) for row in _all(tx, "learnt", LEARNT_COLUMNS, order="kept_at")]

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
            read = NumberReader()
            found = [(row[0], *checked("totals", row, read)) for row in _all(tx, "totals", SERIES_COLUMNS)]
            gone = {rowid: series for rowid, series, _ in found if is_unwanted(series)}
            for chunk in chunked(list(gone)):
                tx.execute(delete(totals).where(_ROWID.in_(chunk)))
        return list(gone.values())

    # ---- who may write ---------------------------------------------------------------------------------------------

    @contextmanager
    def _owned(self) -> Iterator[Connection]:
        """A transaction that writes, if no other process has become the writer."""
        with self._file.writing() as tx:
            _, owner, number = self._writer(tx)
            if owner != self._owner:
                raise self._usurped(f"its last batch is number {number} of another process")
            yield tx

    def _take_number(self, tx: Connection, number: int) -> bool:
        """Whether this batch is new; LedgerError where it is neither the next nor the last one of this process."""
        take = "UPDATE batches SET number = ? WHERE writer = '' AND owner = ? AND number = ?"
        if tx.exec_driver_sql(take, (number, self._owner, number - 1)).rowcount:
            return True
        _, owner, last = self._writer(tx)
        if (owner, last) == (self._owner, number):
            return False
        whose = "" if owner == self._owner else " of another process"
        finding = f"its last batch is number {last}{whose}, where this exporter has number {number} to write"
        raise self._usurped(finding)

    def _writer(self, tx: Connection) -> Row:
        (row,) = fetched(tx, f"SELECT rowid, {', '.join(BATCH_COLUMNS)} FROM batches WHERE writer = ''")  # noqa: S608
        return row

    def _usurped(self, finding: str) -> LedgerError:
        return LedgerError(
            f"ledger {self._file.name}: {finding}: another process writes this ledger, or it was restored from a copy"
            " while this exporter ran. Nothing is written any more. Stop the other process, if there is one, and then"
            " restart this exporter"
        )


def totals_beside(url: str) -> dict[Series, float]:
    """The totals of tasks in a ledger that another process may have open."""
    with reading_beside(url) as tx:
        return numbers_of("totals", _all(tx, "totals", SERIES_COLUMNS))


# ---- look-ups --------------------------------------------------------------------------------------------------------


class _Found:
    """The rows of some tasks, and the states that they keep."""

    def __init__(self, ended: Sequence[Row], open_: Sequence[Row]) -> None:
        self._states = ByName(
            [
                *(checked("outcomes", row, state_of_outcome) for row in ended),
                *(checked("open_tasks", row, state_of_open) for row in open_),
            ]
        )
        self._unnamed = {
            outcomes: [row[0] for row in ended if not row[1 + OUTCOME_COLUMNS.index("is_named")]],
            open_tasks: [row[0] for row in open_ if not row[1 + OPEN_COLUMNS.index("is_named")]],
        }

    @classmethod
    def of(cls, tx: Connection, refs: Sequence[TaskRef]) -> "_Found":
        named = names_of(refs)
        return cls(
            named_rows(tx, "outcomes", OUTCOME_COLUMNS, named), named_rows(tx, "open_tasks", OPEN_COLUMNS, named)
        )

    @property
    def are_all_named(self) -> bool:
        return not any(self._unnamed.values())

    def name(self, tx: Connection, *, now: float) -> None:
        """Note that a source names these tasks again, where the pruning has noted that none does."""
        for table, rows in self._unnamed.items():
            if rows:
                named = update(table).where(table.c.id == bindparam("row")).values(is_named=True, looked_at=now)
                tx.execute(named, [{"row": row} for row in rows])

    def states(self, refs: Sequence[TaskRef]) -> dict[TaskRef, TaskState]:
        found = ((ref, self._states.find(ref)) for ref in refs)
        return {ref: reduce(merge, states) for ref, states in found if states}


def _all(tx: Connection, table: str, columns: Sequence[str], *, order: str = "") -> list[Row]:
    ordered = f"ORDER BY {order}" if order else ""
    return fetched(tx, f"SELECT rowid, {', '.join(columns)} FROM {table} {ordered}".rstrip())  # noqa: S608


def _accounts(tx: Connection, table: Table) -> Iterator[str]:
    """The accounts that have rows, by one step through an index for each."""
    account = ""
    while (after := tx.scalar(select(func.min(table.c.account)).where(table.c.account > account))) is not None:
        yield (account := after)


def _aged(tx: Connection, table: Table, account: str, *, before: float, limit: int) -> list[Aged]:
    query = (
        select(table.c.id, table.c.account, table.c.task_id, table.c.out_task_id, table.c.looked_at)
        .where(table.c.account == account, table.c.looked_at < before)
        .order_by(table.c.looked_at)
        .limit(limit)
    )
    return [Aged(table.name, row.id, row.looked_at, checked(table.name, row, ref_of)) for row in tx.execute(query)]


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
