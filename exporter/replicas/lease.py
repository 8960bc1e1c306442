"""What replicas agree upon: who owns each account, and what a commit has to bring to be believed."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.errors import ExporterError

LEASE = 15.0
"""Seconds that a lease holds for its owner, unless the configuration says otherwise."""

RENEWALS = 3
"""How often within a lease it is renewed."""

PATIENCE = 1.2
"""So many leases another waits, by its own clock, before it takes what nobody renews.

The two clocks may differ in rate by less than that: NTP slews one by a twelfth at most, which is 13/11 for two.
"""


class LeaseError(ExporterError):
    """The store of leases cannot be asked; the text says why. What a call that raised has done is not known."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One account's lease as the store has it.

    ``owner`` is one process (None: nobody); ``epoch`` goes up whenever the lease is taken, ``beat`` whenever its owner
    renews it.
    """

    account: str
    owner: str | None
    epoch: int
    beat: int


@dataclass(frozen=True, slots=True)
class Tenure:
    """What somebody has who took a lease: its epoch, and the number of the account's last durable batch."""

    epoch: int
    batch: int


@dataclass(frozen=True, slots=True)
class Member:
    """One process among the replicas: what it is called, where it is reached; ``beat`` goes up while it lives."""

    owner: str
    url: str
    beat: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything the store knows of the leases that were asked for, and of the replicas."""

    leases: Mapping[str, Lease]
    members: Mapping[str, Member]


@dataclass(frozen=True, slots=True)
class Fence:
    """What every commit for an account begins with: it is refused unless the lease is still this one's.

    ``batch`` is the last number that is durable, as far as its owner knows. Whoever does not know whether a commit is
    durable makes it again behind the very same fence.
    """

    account: str
    owner: str
    epoch: int
    batch: int


def owner_of(replica: str, lease: float, token: int) -> str:
    """What one process is called: its replica's name, how long its leases are, and a number that no other has.

    The others read there how long they must wait for it: while ``ledger.lease`` is being changed, not all are the same.
    """
    return f"{replica}/{round(1000 * lease)}/{token:016x}"


def replica_of(owner: str) -> str:
    """The replica's name in that of a process."""
    return owner.rsplit("/", 2)[0]


def longest_answer(lease: float) -> float:
    """Seconds that a question about leases may take: what comes later than the next renewal is of no use."""
    return lease / RENEWALS


def patience_with(owner: str | None, *, lease: float) -> float:
    """Seconds that a process waits, whose own leases are so long, before it takes what this one does not renew."""
    parts = (owner or "").rsplit("/", 2)
    theirs = int(parts[1]) / 1000 if len(parts) == 3 and parts[1].isdecimal() else 0.0
    return PATIENCE * max(lease, theirs)
