"""Whether a transaction may write: each one that does begins at a row of ``leases``.

A row names the process that holds what belongs to one account; that of ``EVERYTHING`` is for a process that has a whole
ledger alone. Its lock puts commits, and whoever takes the lease over, in order; and the number of the last batch tells
a commit that was durable though it was answered with a failure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from exporter.ledger.ledger import EVERYTHING, UsurpedError
from exporter.ledger.rows import DamagedRowError
from exporter.ledger.statements import Statements
from exporter.replicas.lease import Fence

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


class Standing(NamedTuple):
    """What a lease says. While its owner lives, it does not stay the same for long."""

    owner: str | None
    epoch: int
    beat: int
    batch: int


def standing(tx: Connection, statements: Statements, account: str = EVERYTHING) -> Standing:
    """What a lease says now; raise DamagedRowError where that is nonsense, UsurpedError where there is none."""
    found = statements.fetched(tx, STANDING, account)
    if not found:
        raise UsurpedError("the row of its writer is gone")
    owner, epoch, beat, batch = found[0]
    if not isinstance(batch, int) or batch < 0:
        raise DamagedRowError("leases", 1, f"batch is {batch!r}, not the number of one")
    return Standing(owner, epoch, beat, batch)


def admits(tx: Connection, statements: Statements, fence: Fence) -> bool:
    """Whether the batch behind a fence is new; false where it is durable already.

    It waits for another commit at the same fence, of which this process may have heard nothing. Until the transaction
    ends nobody can take the lease. Raises UsurpedError where it is not this process's any more.
    """
    number = fence.batch + 1
    place = (fence.account, fence.owner, fence.epoch)
    if statements.changed(tx, NEXT_BATCH, number, *place, fence.batch):
        return True
    found = standing(tx, statements, fence.account)
    if found[:2] == (fence.owner, fence.epoch) and found.batch == number:
        return False
    raise _refusal(found, fence, f", where this exporter has number {number} to write")


def hold(tx: Connection, statements: Statements, fences: Sequence[Fence]) -> None:
    """Let nobody take these leases until the transaction ends; raise UsurpedError where one is not this process's.

    They are locked in one order: two that wait for each other would wait in vain.
    """
    for fence in sorted(fences, key=lambda fence: fence.account):
        if not statements.changed(tx, HOLD, fence.account, fence.owner, fence.epoch):
            raise _refusal(standing(tx, statements, fence.account), fence)


def _refusal(found: Standing, fence: Fence, beside: str = "") -> UsurpedError:
    whose = "" if found.owner == fence.owner else " of another process"
    return UsurpedError(f"its last batch is number {found.batch}{whose}{beside}", fence)


class Claim:
    """The lease of everything, as a process has it to which a whole ledger belongs; ``owner`` is like no other's."""

    def __init__(self, statements: Statements, *, owner: str) -> None:
        self._statements = statements
        self._owner = owner
        self._epoch = 0

    def fence(self, batch: int = 0) -> Fence:
        """What a transaction begins with, where ``batch`` was the last one."""
        return Fence(EVERYTHING, self._owner, self._epoch, batch)

    def take(self, tx: Connection, found: Standing) -> bool:
        """Hold the lease from now on, if it still says what was ``found``."""
        if not self._statements.changed(tx, TAKE, self._owner, EVERYTHING, found.owner or "", *found[1:]):
            return False
        self._epoch = found.epoch + 1
        return True

    def release(self, tx: Connection) -> None:
        """Let whoever comes next have it at once."""
        self._statements.changed(tx, RELEASE, EVERYTHING, self._owner, self._epoch)

    def renew(self, tx: Connection) -> None:
        """Say that its owner lives; raise UsurpedError where another holds it."""
        if not self._statements.changed(tx, RENEW, EVERYTHING, self._owner, self._epoch):
            raise _refusal(standing(tx, self._statements), self.fence())
