"""One ledger copied into another, whole: from a file to a server, or back.

Tasks go in pages, each in a transaction of its own, so that a copy that was broken off goes on where it stopped; the
sums and everything else that is small go last, in one. Until then the copy is marked as unfinished, and no exporter
opens it. Before the mark goes, every row of both is compared.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select

from exporter.ledger.database import Database
from exporter.ledger.ledger import EVERYTHING, LedgerError
from exporter.ledger.opening import database_at, ledger_at
from exporter.ledger.rows import (
    LEARNT_COLUMNS,
    OPEN_COLUMNS,
    OUTCOME_COLUMNS,
    REGISTRATION_COLUMNS,
    SERIES_COLUMNS,
    Row,
    checked,
    registration_of,
    state_of_open,
    state_of_outcome,
)
from exporter.ledger.tables import copies, leases, metadata

PAGE = 5_000
"""So many rows are copied by one transaction."""

LARGE: dict[str, tuple[Sequence[str], Callable[[Row], object]]] = {
    "outcomes": (OUTCOME_COLUMNS, state_of_outcome),
    "open_tasks": (OPEN_COLUMNS, state_of_open),
}
"""The tables that grow with tasks, whose rows are numbered, and what each row must say."""

SMALL: dict[str, Sequence[str]] = {
    "registrations": (*REGISTRATION_COLUMNS, "version", "deleted_at"),
    "totals": SERIES_COLUMNS,
    "meters": SERIES_COLUMNS,
    "learnt": LEARNT_COLUMNS,
    "account_versions": ("account", "version"),
}

FILLED = ("outcomes", "open_tasks", "totals", "meters", "registrations")
"""What is in a ledger that somebody has used."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What has been done so far: so many rows of a table are in the copy."""

    table: str
    rows: int


def copy(source_url: str, target_url: str, *, anew: bool = False) -> Generator[Copied, None, None]:
    """Copy a ledger that no exporter has open into an empty one, or go on with such a copy; tell of each step.

    ``anew`` begins an unfinished copy again. Raises LedgerError where it cannot be, or where both differ in the end.
    """
    if source_url == target_url:
        raise LedgerError(f"ledger {database_at(target_url).name}: cannot be copied into itself")
    source = ledger_at(source_url, alone=True)
    source.open()  # nobody writes it meanwhile
    try:
        yield from _copy(source.database, database_at(target_url), anew=anew)
    finally:
        source.close()


def _copy(source: Database, target: Database, *, anew: bool) -> Iterator[Copied]:
    target.open()
    try:
        _begin(source, target, anew=anew)
        for table in LARGE:
            yield from _copy_pages(source, target, table)
        yield from _copy_the_rest(source, target)
        _compare(source, target)
        with target.writing() as tx:
            tx.execute(delete(copies))
    finally:
        target.close()


def _begin(source: Database, target: Database, *, anew: bool) -> None:
    """Mark the copy as unfinished; refuse a ledger that is somebody's."""
    with target.writing() as tx:
        begun = tx.scalar(select(copies.c.source))
        if begun is None:
            _refuse_what_is_used(tx, target)
            target.statements.insert(tx, "copies", ("source",), [(source.name,)])
        elif begun != source.name:
            raise LedgerError(f"ledger {target.name}: is an unfinished copy of {begun}, not of {source.name}")
        elif anew:
            for table in (*LARGE, *SMALL):
                tx.execute(delete(metadata.tables[table]))


def _refuse_what_is_used(tx: Connection, target: Database) -> None:
    held = select(func.count()).select_from(leases).where(leases.c.owner.is_not(None))
    is_held = not target.is_alone and bool(tx.scalar(held))
    used = [name for name in FILLED if tx.scalar(select(func.count()).select_from(metadata.tables[name]))]
    if is_held or used:
        why = f"its {used[0]} are not empty" if used else "an exporter holds it"
        raise LedgerError(f"ledger {target.name}: {why}: a copy goes into a ledger that nobody has used")


def _copy_pages(source: Database, target: Database, table: str) -> Iterator[Copied]:
    columns, read = LARGE[table]
    numbered = ("id", *columns)
    with target.reading() as tx:
        rows = metadata.tables[table]
        last, done = tx.execute(select(func.coalesce(func.max(rows.c.id), 0), func.count()).select_from(rows)).one()
    for page in _pages(source, table, columns, after=last):
        for row in page:
            checked(table, row, read)
        with target.writing() as tx:
            target.statements.insert(tx, table, numbered, page)
        done += len(page)
        yield Copied(table, done)


def _copy_the_rest(source: Database, target: Database) -> Iterator[Copied]:
    with source.reading() as tx:
        found = {
            table: source.statements.rows(tx, table, columns, order="id" if table == "registrations" else "")
            for table, columns in SMALL.items()
        }
        batch = tx.scalar(select(leases.c.batch).where(leases.c.account == EVERYTHING))
    for row in found["registrations"]:
        checked("registrations", row[: 1 + len(REGISTRATION_COLUMNS)], registration_of)
    with target.writing() as tx:
        for table, rows in found.items():
            tx.execute(delete(metadata.tables[table]))
            target.statements.insert(tx, table, SMALL[table], [row[1:] for row in rows])
        tx.execute(leases.update().where(leases.c.account == EVERYTHING).values(batch=batch))
        target.statements.number_on(tx, LARGE)
    for table, rows in found.items():
        yield Copied(table, len(rows))


def _compare(source: Database, target: Database) -> None:
    """Raise LedgerError where a row of one is not in the other, or says something else there."""
    for table, (columns, _) in LARGE.items():
        pairs = zip(_each(source, table, columns), _each(target, table, columns), strict=False)
        if any(_told(one) != _told(other) for one, other in pairs) or _size(source, table) != _size(target, table):
            raise _differs(source, target, table)
    for table in SMALL:
        if _sorted(source, table) != _sorted(target, table):
            raise _differs(source, target, table)


def _differs(source: Database, target: Database, table: str) -> LedgerError:
    return LedgerError(
        f"ledger {target.name}: its {table} are not those of {source.name}, which was written since the copy began:"
        " begin again with --anew"
    )


def _pages(database: Database, table: str, columns: Sequence[str], *, after: int = 0) -> Iterator[list[Row]]:
    while True:
        with database.reading() as tx:
            page = database.statements.page(tx, table, columns, after=after, limit=PAGE)
        if not page:
            return
        yield page
        after = page[-1][0]


def _each(database: Database, table: str, columns: Sequence[str]) -> Iterator[Row]:
    for page in _pages(database, table, columns):
        yield from page


def _size(database: Database, table: str) -> int:
    with database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(metadata.tables[table])) or 0


def _sorted(database: Database, table: str) -> list[Any]:
    with database.reading() as tx:
        rows = database.statements.rows(tx, table, SMALL[table])
    return sorted((_told(row[1:]) for row in rows), key=repr)


def _told(row: Row) -> tuple[Any, ...]:
    """What a row says, whatever type its database has for a truth or a whole number."""
    return tuple(float(value) if isinstance(value, int) else value for value in row)
