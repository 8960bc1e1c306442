"""The database as the protocol sees it, in memory: rows, row locks, and commits behind a fence."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from exporter.replicas.lease import Fence, Lease, LeaseError, Member, Standing, Tenure


class Passage(StrEnum):
    """What becomes of a commit at its fence."""

    OPEN = "open"
    """It may write, and its number is the next one."""
    REPEAT = "repeat"
    """It is durable already: nothing may be written again."""
    LOST = "lost"
    """Somebody else owns the account: nothing of it may be written."""


@dataclass(slots=True)
class Row:
    """A row of ``leases``."""

    owner: str | None = None
    epoch: int = 0
    beat: int = 0
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """One durable commit."""

    account: str
    owner: str
    epoch: int
    content: int


@dataclass(slots=True)
class Database:
    """What is durable, and who holds which row."""

    rows: dict[str, Row] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    accepted: list[Accepted] = field(default_factory=list)
    locks: dict[str, str] = field(default_factory=dict)
    is_down: bool = False

    # ---- the fence, as the ledger passes it --------------------------------------------------------------------------

    def passage(self, fence: Fence) -> Passage:
        """What the first statement of a commit finds."""
        row = self.rows[fence.account]
        if (row.owner, row.epoch) != (fence.owner, fence.epoch):
            return Passage.LOST
        if row.batch == fence.batch:
            return Passage.OPEN
        return Passage.REPEAT if row.batch == fence.batch + 1 else Passage.LOST

    def lock(self, fence: Fence) -> Passage:
        """Begin a commit: where the fence is open the row is this transaction's until it ends."""
        self.check(fence.account)
        passage = self.passage(fence)
        if passage is Passage.OPEN:
            self.locks[fence.account] = fence.owner
        return passage

    def commit(self, fence: Fence, content: int) -> None:
        """End it well; LeaseError where the database has ended it otherwise."""
        if self.is_down or self.locks.pop(fence.account, None) != fence.owner:
            raise LeaseError("the transaction is gone")
        self.rows[fence.account].batch += 1
        self.accepted.append(Accepted(fence.account, fence.owner, fence.epoch, content))

    def roll_back(self) -> None:
        """End every transaction that is open, as a restart does, or the time-out of idle ones."""
        self.locks.clear()

    def check(self, account: str | None = None) -> None:
        """LeaseError where nobody answers, or not in time."""
        if self.is_down:
            raise LeaseError("the database is down")
        if account in self.locks:
            raise LeaseError(f"{account} is locked")


class ModelStore:
    """``exporter.replicas.store.LeaseStore`` on it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def enrol(self, accounts: Collection[str]) -> None:
        self.database.check()
        for account in accounts:
            self.database.rows.setdefault(account, Row())

    def renew(self, owner: str, url: str, held: Mapping[str, int]) -> frozenset[str]:
        for account in held:
            self.database.check(account)
        self.database.check()
        member = self.database.members.get(owner, Member(owner, url, beat=0))
        self.database.members[owner] = replace(member, beat=member.beat + 1)
        renewed = [account for account, epoch in held.items() if self.is_held(account, owner, epoch)]
        for account in renewed:
            self.database.rows[account].beat += 1
        return frozenset(renewed)

    def look(self, accounts: Collection[str]) -> Standing:
        self.database.check()
        found = {account: self.database.rows[account] for account in accounts if account in self.database.rows}
        leases = {account: Lease(account, row.owner, row.epoch, row.beat) for account, row in found.items()}
        return Standing(leases, dict(self.database.members))

    def take(self, owner: str, lease: Lease) -> Tenure | None:
        self.database.check()
        row = self.database.rows.get(lease.account)
        if row is None or lease.account in self.database.locks or not self.is_as_seen(row, lease):
            return None
        row.owner, row.epoch, row.beat = owner, row.epoch + 1, 0
        return Tenure(row.epoch, row.batch)

    def release(self, owner: str, account: str, epoch: int) -> None:
        self.database.check(account)
        if self.is_held(account, owner, epoch):
            self.database.rows[account].owner = None

    def leave(self, owner: str) -> None:
        self.database.check()
        self.database.members.pop(owner, None)

    def forget(self, members: Sequence[Member]) -> None:
        self.database.check()
        for member in members:
            if self.database.members.get(member.owner) == member:
                del self.database.members[member.owner]

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass

    # ---- the conditions of its statements ----------------------------------------------------------------------------

    def is_held(self, account: str, owner: str, epoch: int) -> bool:
        row = self.database.rows.get(account)
        return row is not None and (row.owner, row.epoch) == (owner, epoch)

    def is_as_seen(self, row: Row, lease: Lease) -> bool:
        return (row.owner, row.epoch, row.beat) == (lease.owner, lease.epoch, lease.beat)
