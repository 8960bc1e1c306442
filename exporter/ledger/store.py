"""The ledger in a database: one transaction for an outcome and what it adds to the totals.

All calls block and belong to one thread at a time (``exporter.ledger.writer`` keeps it).
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, select, tuple_, update

from exporter.accounting.series import Series
from exporter.ledger.database import Database
from exporter.ledger.deciding import Decision
from exporter.ledger.fence import Claim, Standing, admits, hold, standing
from exporter.ledger.ledger import EVERYTHING, HINTED, Aged, Batch, Books, Committed, Learnt, LedgerError
from exporter.ledger.names import ByName, names_of
from exporter.ledger.recalling import states_of_open, states_of_outcomes
from exporter.ledger.rows import (
    LEARNT_COLUMNS,
    LEARNT_KEY,
    OPEN_COLUMNS,
    OUTCOME_COLUMNS,
    REGISTRATION_COLUMNS,
    REGISTRATION_KEY,
    SUM_COLUMNS,
    VERSIONED_COLUMNS,
    LabelTexts,
    NumberReader,
    Row,
    RowNumber,
    checked,
    learnt_of,
    learnt_row,
    noted,
    numbers_of,
    open_row,
    ref_of,
    registration_key,
    registration_of,
    registration_row,
)
from exporter.ledger.sqlite import BUSY_TIMEOUT, SqliteFile
from exporter.ledger.statements import Statements, facts_of, grow, named_rows, write
from exporter.ledger.tables import copies, learnt, open_tasks, outcomes, registrations
from exporter.replicas.lease import Fence, patience_with
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.state import TaskState, begin, merge

TASK_TABLES = (outcomes, open_tasks)

LEASE = 15.0
"""Seconds after which whoever holds a ledger that others reach, too, and says nothing, is taken for gone."""

LOOK = 0.5
"""Seconds between two looks at whether he says something."""

DELETED_SECONDS = 86_400.0
"""So long a registration that is gone is known as such, for replicas that have not heard of it yet."""

REVIVED = (
    f"ON CONFLICT ({', '.join(REGISTRATION_KEY)}) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in VERSIONED_COLUMNS[len(REGISTRATION_KEY) :])
    + ", deleted_at = NULL WHERE registrations.deleted_at IS NOT NULL"
)
"""What is registered already stays as it is; what was given up begins anew."""

HINTED_COLUMNS = (*VERSIONED_COLUMNS, "deleted_at")

HINTED_AGAIN = (
    f"ON CONFLICT ({', '.join(REGISTRATION_KEY)}) DO UPDATE SET"
    " version = excluded.version, deleted_at = excluded.deleted_at"
)

REGISTERED = "SELECT id, {} FROM registrations WHERE deleted_at IS NULL ORDER BY id"

CHANGED = "SELECT id, {}, deleted_at IS NOT NULL FROM registrations WHERE account = ? AND version > ? ORDER BY id"

NEXT_VERSION = (
    "INSERT INTO account_versions (account, version) VALUES (?, 1)"
    " ON CONFLICT (account) DO UPDATE SET version = account_versions.version + 1 RETURNING version"
)

OTHERS = (
    "SELECT account, owner, epoch, beat FROM leases WHERE owner IS NOT NULL AND account <> ?"
    " UNION ALL SELECT '', id, 0, beat FROM replicas ORDER BY 1, 2"
)
"""All that moves while exporters share the ledger: what they own, and that they live."""


class StoredLedger:
    """``exporter.ledger.ledger.Ledger`` in a database. ``owner`` tells this process's ledger from any other's.

    Where several processes may have it open, it is either shared (``is_shared``): each write brings the fences of the
    accounts that are this process's; or it belongs to this process alone, and ``open`` sees to that: it waits, by
    ``monotonic`` and ``sleep``, for up to ``lease`` seconds, or what the others' own leases take, to see whether
    anybody else lives; ``waiting`` is told so.
    """

    def __init__(
        self,
        database: Database,
        *,
        is_shared: bool = False,
        owner: str | None = None,
        lease: float = LEASE,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        waiting: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self.database = database
        self._is_shared = is_shared
        self._statements = database.statements
        self._claim = Claim(database.statements, owner=owner or token_hex(8))
        self._lease = lease
        self._monotonic = monotonic
        self._sleep = sleep
        self._waiting = waiting
        self._texts = LabelTexts()

    # ---- who may write ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        self.database.open()
        try:
            with self.database.writing() as tx:
                self._refuse_unfinished_copy(tx)
                found = standing(tx, self._statements)
                is_free = self.database.is_alone or found.owner is None
                is_taken = is_free and (self._is_shared or self._claim.take(tx, found))
            if not is_taken:
                self._take_over(found)
            if not (self._is_shared or self.database.is_alone):
                self._refuse_company()
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        if not self._is_shared and not self.database.is_alone and self.database.is_open:
            with suppress(LedgerError), self.database.writing() as tx:  # whoever comes next must wait, then
                self._claim.release(tx)
        self.database.close()

    def renew(self) -> None:
        """Say that this process is still there, where it has a ledger alone that others reach, too."""
        if not self._is_shared and not self.database.is_alone:
            with self.database.writing() as tx:
                self._claim.renew(tx)

    def _take_over(self, found: Standing) -> None:
        """Take the ledger once its holder has given it up, or has said nothing for the time of a lease.

        Who shares it lets nobody have it.
        """
        self._waiting(self._lease)
        patient_until = self._monotonic() + self._lease
        while found.owner is not None and self._monotonic() < patient_until:
            self._sleep(LOOK)
            with self.database.reading() as tx:
                now = standing(tx, self._statements)
            if now.owner is not None and now != found:
                raise self._held()
            found = now
        with self.database.writing() as tx:
            is_taken = self._claim.take(tx, found)
            if self._is_shared:  # where it is not, somebody else has just done the same
                self._claim.release(tx)
            elif not is_taken:
                raise self._held()

    def _refuse_company(self) -> None:
        """See that no exporters share the ledger: of those that live, something goes on within the time of a lease."""
        found = self._others()
        if not found:
            return
        patience = max(patience_with(owner, lease=self._lease) for _, owner, *_ in found)
        self._waiting(patience)
        patient_until = self._monotonic() + patience
        while self._monotonic() < patient_until:
            self._sleep(LOOK)
            if self._others() != found:
                raise self._held()

    def _others(self) -> list[Row]:
        with self.database.reading() as tx:
            return self._statements.fetched(tx, OTHERS, EVERYTHING)

    def _held(self) -> LedgerError:
        return LedgerError(
            f"ledger {self.database.name}: another exporter holds it and is at work: stop that one, or give this"
            " exporter a ledger of its own"
        )

    def _refuse_unfinished_copy(self, tx: Connection) -> None:
        source = tx.scalar(select(copies.c.source))
        if source is not None:
            raise LedgerError(
                f"ledger {self.database.name}: is an unfinished copy of {source}: finish it with"
                " bytespike-exporter ledger copy"
            )

    @contextmanager
    def _owned(self, fences: Sequence[Fence] = ()) -> Iterator[Connection]:
        """A transaction that writes, if no other process has become the writer of what is behind the fences."""
        with self.database.writing() as tx:
            hold(tx, self._statements, fences if self._is_shared else (self._claim.fence(),))
            yield tx

    # ---- sums ------------------------------------------------------------------------------------------------------

    def books(self, account: str | None = None) -> Books:
        with self.database.reading() as tx:
            return Books(
                totals=numbers_of("totals", self._sums(tx, "totals", account)),
                meters=numbers_of("meters", self._sums(tx, "meters", account)),
                batch=standing(tx, self._statements, account or EVERYTHING).batch,
            )

    def _sums(self, tx: Connection, table: str, account: str | None) -> list[Row]:
        """All at once: the parts of a histogram belong together."""
        if account is None:
            return self._statements.rows(tx, table, SUM_COLUMNS)
        return self._statements.rows_of(tx, table, SUM_COLUMNS, account=account)

    # ---- tasks -----------------------------------------------------------------------------------------------------

    def recall(self, refs: Sequence[TaskRef], *, now: float, fences: Sequence[Fence] = ()) -> dict[TaskRef, TaskState]:
        with self.database.reading() as tx:
            found = _Found.of(tx, self._statements, refs)
        mine = [ref for ref in refs if self._is_mine(ref.account, fences)]
        if mine and not found.are_all_named:
            with self._owned(fences) as tx:
                (found if len(mine) == len(refs) else _Found.of(tx, self._statements, mine)).name(tx, now=now)
        return found.states(refs)

    def commit(self, batch: Batch, *, now: float) -> Committed:
        fence = batch.fence or self._claim.fence(batch.number - 1)
        with self.database.writing() as tx:
            if not admits(tx, self._statements, fence):
                return Committed(is_repeat=True)
            named = names_of(entry.state.ref for entry in batch.entries)
            decision = Decision(facts_of(tx, self._statements, named), distinct=named.are_distinct)
            for entry in batch.entries:
                decision.take(entry)
            write(tx, self._statements, decision, now=now)
            increments = decision.increments
            increments.merge(batch.marks)
            grow(tx, self._statements, "totals", increments, self._texts)
            grow(tx, self._statements, "meters", batch.meters, self._texts)
        return Committed(increments, decision.exemplars)

    def aged(
        self,
        *,
        before: float,
        except_accounts: Collection[str],
        limit: int,
        accounts: Collection[str] | None = None,
    ) -> list[Aged]:
        found: list[Aged] = []
        with self.database.reading() as tx:
            for table in TASK_TABLES:
                for account in _accounts(tx, table) if accounts is None else sorted(accounts):
                    if account not in except_accounts:
                        found += _aged(tx, table, account, before=before, limit=limit - len(found))
        return found

    def prune(self, *, gone: Sequence[Aged], kept: Sequence[Aged], now: float, fences: Sequence[Fence] = ()) -> int:
        gone, kept = ([each for each in rows if self._is_mine(each.ref.account, fences)] for rows in (gone, kept))
        with self._owned(fences) as tx:
            deleted = sum(_delete_unnamed(tx, table, gone) for table in TASK_TABLES)
            for table in TASK_TABLES:
                _look_at(tx, table, gone, is_named=False, now=now)
                _look_at(tx, table, kept, is_named=True, now=now)
            for fence in fences if self._is_shared else ():
                _delete_registrations(tx, fence.account, before=now - DELETED_SECONDS)
        return deleted

    def _is_mine(self, account: str, fences: Sequence[Fence]) -> bool:
        return not self._is_shared or any(fence.account == account for fence in fences)

    # ---- registrations ---------------------------------------------------------------------------------------------

    def registrations(self) -> list[Registration]:
        with self.database.reading() as tx:
            rows = self._statements.fetched(tx, REGISTERED.format(", ".join(REGISTRATION_COLUMNS)))
            return [checked("registrations", row, registration_of) for row in rows]

    def registration_versions(self) -> dict[str, int]:
        with self.database.reading() as tx:
            rows = self._statements.fetched(tx, "SELECT account, version FROM account_versions")
        return {row[0]: row[1] for row in rows}

    def registrations_since(self, account: str, version: int) -> tuple[list[Registration], list[Registration]]:
        with self.database.reading() as tx:
            rows = self._statements.fetched(tx, CHANGED.format(", ".join(REGISTRATION_COLUMNS)), account, version)
        changed = [(checked("registrations", row[:-1], registration_of), bool(row[-1])) for row in rows]
        return [each for each, is_gone in changed if not is_gone], [each for each, is_gone in changed if is_gone]

    def register(
        self, new: Sequence[Registration], items: Sequence[Item], *, now: float, fences: Sequence[Fence] = ()
    ) -> dict[TaskRef, TaskState]:
        mine = [item for item in items if self._is_mine(item.ref.account, fences)]
        refs = [item.ref for item in mine]
        with self._owned(fences) as tx:
            versions = self._next_versions(tx, new)
            rows = {registration_key(each): (*registration_row(each), versions[each.ref.account]) for each in new}
            self._statements.insert(tx, "registrations", VERSIONED_COLUMNS, list(rows.values()), otherwise=REVIVED)
            found = _Found.of(tx, self._statements, refs)
            found.name(tx, now=now)
            known = found.states(refs)
            begun = {item.ref: begin(item, now=now) for item in mine if item.ref not in known}
            opened = [open_row(state) for state in begun.values()]
            self._statements.insert(tx, "open_tasks", OPEN_COLUMNS, opened, alike=noted(now))
        return known | begun

    def unregister(self, gone: Sequence[Registration], *, now: float) -> None:
        with self._owned() as tx:
            versions = self._next_versions(tx, gone)
            for registration in gone:
                key = dict(zip(REGISTRATION_KEY, registration_key(registration), strict=True))
                if self._is_shared:
                    said = {"deleted_at": now, "version": versions[registration.ref.account]}
                    still = registrations.c.deleted_at.is_(None)
                    tx.execute(update(registrations).filter_by(**key).where(still).values(said))
                else:
                    tx.execute(delete(registrations).filter_by(**key))

    def hint(self, refs: Sequence[TaskRef], *, now: float) -> None:
        hints = [Registration(HINTED, ref, now) for ref in refs]
        with self._owned() as tx:
            versions = self._next_versions(tx, hints)
            rows = {
                registration_key(hint): (*registration_row(hint), versions[hint.ref.account], now) for hint in hints
            }
            self._statements.insert(tx, "registrations", HINTED_COLUMNS, list(rows.values()), otherwise=HINTED_AGAIN)

    def _next_versions(self, tx: Connection, changing: Sequence[Registration]) -> dict[str, int]:
        """The versions that the accounts have from now on; the lock of each puts whoever changes them in order."""
        accounts = sorted({each.ref.account for each in changing})
        if not self._is_shared:
            return dict.fromkeys(accounts, 0)
        return {account: self._statements.fetched(tx, NEXT_VERSION, account)[0][0] for account in accounts}

    # ---- what the cadence has learnt -------------------------------------------------------------------------------

    def learnt(self) -> list[Learnt]:
        with self.database.reading() as tx:
            return [learnt_of(row) for row in self._statements.rows(tx, "learnt", LEARNT_COLUMNS, order="kept_at")]

    def keep_learnt(self, news: Sequence[Learnt], *, now: float, limit: int) -> None:
        key = learnt.primary_key.columns
        latest = select(*key).order_by(learnt.c.kept_at.desc()).limit(limit)
        newer = f"ON CONFLICT ({', '.join(LEARNT_KEY)}) DO UPDATE SET text = excluded.text, kept_at = excluded.kept_at"
        with self._owned() as tx:
            rows = [learnt_row(each, now=now) for each in news]
            self._statements.insert(tx, "learnt", LEARNT_COLUMNS, rows, otherwise=newer)
            tx.execute(delete(learnt).where(tuple_(*key).not_in(latest)))

    # ---- totals that are no longer wanted --------------------------------------------------------------------------

    def retire(self, is_unwanted: Callable[[Series], bool]) -> list[Series]:
        """Delete the totals of some series; return them. Whoever has them in memory must forget them, too."""
        with self._owned() as tx:
            read = NumberReader()
            rows = self._statements.rows(tx, "totals", SUM_COLUMNS)
            found = [(row[0], *checked("totals", row, read)) for row in rows]
            gone = {number: series for number, series, _ in found if is_unwanted(series)}
            self._statements.delete(tx, "totals", gone)
        return list(gone.values())


class SqliteLedger(StoredLedger):
    """A ledger in one SQLite file.

    ``busy_timeout`` is the seconds that a call waits for another process that holds the file.
    """

    def __init__(self, url: str, *, owner: str | None = None, busy_timeout: float = BUSY_TIMEOUT) -> None:
        super().__init__(SqliteFile(url, busy_timeout=busy_timeout), owner=owner)


# ---- look-ups --------------------------------------------------------------------------------------------------------


class _Found:
    """The rows of some tasks, and the states that they keep."""

    def __init__(self, ended: Sequence[Row], open_: Sequence[Row]) -> None:
        self._states = ByName([*states_of_outcomes(ended), *states_of_open(open_)])
        self._unnamed = {outcomes: _unnamed(ended, OUTCOME_COLUMNS), open_tasks: _unnamed(open_, OPEN_COLUMNS)}

    @classmethod
    def of(cls, tx: Connection, statements: Statements, refs: Sequence[TaskRef]) -> "_Found":
        named = names_of(refs)
        return cls(
            named_rows(tx, statements, "outcomes", OUTCOME_COLUMNS, named),
            named_rows(tx, statements, "open_tasks", OPEN_COLUMNS, named),
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
        found = self._states.find
        return {ref: states[0] if len(states) == 1 else reduce(merge, states) for ref in refs if (states := found(ref))}


def _unnamed(rows: Sequence[Row], columns: Sequence[str]) -> list[RowNumber]:
    is_named = 1 + columns.index("is_named")
    return [row[0] for row in rows if not row[is_named]]


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


def _delete_registrations(tx: Connection, account: str, *, before: float) -> None:
    """Delete those that were given up so long ago that every replica knows."""
    gone = registrations.c.account == account, registrations.c.deleted_at < before
    tx.execute(delete(registrations).where(*gone))


def _still(table: Table) -> tuple[Any, Any]:
    """That a row is the one it was: the number of a deleted row may be given to another."""
    return table.c.id == bindparam("aged_row"), table.c.looked_at == bindparam("aged_at")


def _bound(table: Table, aged: Sequence[Aged]) -> list[dict[str, Any]]:
    return [{"aged_row": each.row, "aged_at": each.looked_at} for each in aged if each.table == table.name]
