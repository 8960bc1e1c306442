"""What a ledger is kept in, a file or a server: opened by this process, every commit durable before it is believed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

from exporter.ledger.ledger import EVERYTHING, LedgerError, UsurpedError
from exporter.ledger.rows import DamagedRowError
from exporter.ledger.statements import Statements
from exporter.ledger.tables import AnotherVersionError


class Database(Protocol):
    """One database. Every call blocks, belongs to one thread at a time, and raises LedgerError where it cannot."""

    @property
    def name(self) -> str:
        """What it is called in messages; no secret is in it."""
        ...

    @property
    def statements(self) -> Statements:
        """How it is spoken to."""
        ...

    @property
    def is_alone(self) -> bool:
        """Whether no other process can have it open while this one has, so that whoever held it before is gone."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it can be spoken to at once."""
        ...

    def open(self) -> None:
        """Reach it, and bring its tables to this version."""

    def close(self) -> None:
        """Let go of it. What is closed may be closed again, and opened."""

    def reading(self) -> AbstractContextManager[Connection]:
        """One transaction that writes nothing, and sees the ledger as it is at one instant."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction that writes."""
        ...


def explained(name: str, error: LedgerError, *, delete: Callable[[DamagedRowError], str]) -> LedgerError:
    """An error that arose within a ledger, in words for whoever runs it; ``delete`` is how they delete a row."""
    match error:
        case AnotherVersionError():
            return LedgerError(
                f"ledger {name}: written by another version of this exporter ({error}): run that version, or restore a"
                " copy from before the upgrade"
            )
        case DamagedRowError():
            return LedgerError(
                f"ledger {name}: {error}. Stop the exporter and restore a copy, or go without that row: {delete(error)}"
            )
        case UsurpedError(fence=fence) if fence is not None and fence.account != EVERYTHING:
            return UsurpedError(
                f"ledger {name}: account {fence.account} is another exporter's by now: {error}. Nothing of it is"
                " written here any more",
                fence,
            )
        case UsurpedError():
            return UsurpedError(
                f"ledger {name}: {error}: another process writes this ledger, or it was restored from a copy while this"
                " exporter ran. Nothing is written any more. Stop the other process, if there is one, and then restart"
                " this exporter",
                error.fence,
            )
    return error
