"""Which process may write, and what it wrote last: each transaction that writes begins at a row of ``leases``.

A row names the process that holds what belongs to one account; that of ``EVERYTHING`` is for what no other row names.
Its lock puts commits, and whoever takes the lease over, in order; and the number of the last batch tells a commit that
was durable though it was answered with a failure.
"""

from typing import NamedTuple

from sqlalchemy import Connection

from exporter.ledger.ledger import EVERYTHING, LedgerError
from exporter.ledger.rows import DamagedRowError
from exporter.ledger.statements import Statements

STANDING = "SELECT owner, epoch, beat, batch FROM leases WHERE account = ?"

TAKE = (
    "UPDATE leases SET owner = ?, epoch = epoch + 1, beat = 0"
    " WHERE account = ? AND COALESCE(owner, '') = ? AND epoch = ? AND beat = ? AND batch = ?"
)

RELEASE = "UPDATE leases SET owner = NULL WHERE account = ? AND owner = ? AND epoch = ?"

RENEW = "UPDATE leases SET beat = beat + 1 WHERE account = ? AND owner = ? AND epoch = ?"

HOLD = "UPDATE leases SET owner = owner WHERE account = ? AND owner = ? AND epoch = ?"
"""It changes nothing, and has the row's lock."""

NEXT_BATCH = "UPDATE leases SET batch = ? WHERE account = ? AND owner = ? AND epoch = ? AND batch = ?"


class UsurpedError(LedgerError):
    """Another process has become the writer; the text says how that is known."""


class Standing(NamedTuple):
    """What a lease says. While its owner lives, it does not stay the same for long."""

    owner: str | None
    epoch: int
    beat: int
    batch: int


class Fence:
    """The leases that this process holds, as ``owner``, which no other process calls itself, before or after."""

    def __init__(self, statements: Statements, *, owner: str) -> None:
        self._statements = statements
        self._owner = owner
        self._epochs: dict[str, int] = {}

    def standing(self, tx: Connection, lease: str = EVERYTHING) -> Standing:
        """What a lease says now; raise DamagedRowError where that is nonsense."""
        found = self._statements.fetched(tx, STANDING, lease)
        if not found:
            raise UsurpedError("the row of its writer is gone")
        owner, epoch, beat, batch = found[0]
        if not isinstance(batch, int) or batch < 0:
            raise DamagedRowError("leases", 1, f"batch is {batch!r}, not the number of one")
        return Standing(owner, epoch, beat, batch)

    def take(self, tx: Connection, found: Standing, lease: str = EVERYTHING) -> bool:
        """Hold a lease from now on, if it still says what was ``found``."""
        values = (self._owner, lease, found.owner or "", *found[1:])
        if not self._statements.changed(tx, TAKE, *values):
            return False
        self._epochs[lease] = found.epoch + 1
        return True

    def release(self, tx: Connection) -> None:
        """Let whoever comes next have all that is held, at once."""
        for lease, epoch in self._epochs.items():
            self._statements.changed(tx, RELEASE, lease, self._owner, epoch)
        self._epochs.clear()

    def renew(self, tx: Connection) -> None:
        """Say of each lease that is held that its owner lives; raise UsurpedError where another holds it."""
        for lease, epoch in self._epochs.items():
            if not self._statements.changed(tx, RENEW, lease, self._owner, epoch):
                raise self._refusal(self.standing(tx, lease))

    def check(self, tx: Connection, lease: str = EVERYTHING) -> None:
        """Raise UsurpedError where another process has become the writer, and let none until the transaction ends."""
        if not self._statements.changed(tx, HOLD, lease, self._owner, self._epochs.get(lease, 0)):
            raise self._refusal(self.standing(tx, lease))

    def admits(self, tx: Connection, number: int, lease: str = EVERYTHING) -> bool:
        """Whether a batch is new; UsurpedError where it is neither the next nor the last one of this process."""
        epoch = self._epochs.get(lease, 0)
        if self._statements.changed(tx, NEXT_BATCH, number, lease, self._owner, epoch, number - 1):
            return True
        standing = self.standing(tx, lease)
        if self._is_mine(standing, lease) and standing.batch == number:
            return False
        raise self._refusal(standing, f", where this exporter has number {number} to write")

    def _is_mine(self, standing: Standing, lease: str) -> bool:
        return (standing.owner, standing.epoch) == (self._owner, self._epochs.get(lease))

    def _refusal(self, standing: Standing, beside: str = "") -> UsurpedError:
        whose = "" if standing.owner == self._owner else " of another process"
        return UsurpedError(f"its last batch is number {standing.batch}{whose}{beside}")
