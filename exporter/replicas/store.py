"""What the state machine asks the database that all replicas share."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from exporter.replicas.lease import Lease, Member, Standing, Tenure


class LeaseStore(Protocol):
    """Leases and members. Each call is one transaction, blocks, and raises LeaseError where it cannot be.

    One call at a time; ``interrupt`` alone may be called beside another, from any thread.
    """

    def enrol(self, accounts: Collection[str]) -> None:
        """Let these accounts have leases, which nobody owns, where they have none."""

    def renew(self, owner: str, url: str, held: Mapping[str, int]) -> frozenset[str]:
        """Say that this process lives and goes on with these accounts; return those whose epoch is still its own."""
        ...

    def look(self, accounts: Collection[str]) -> Standing:
        """The leases of these accounts, and all members."""
        ...

    def take(self, owner: str, lease: Lease) -> Tenure | None:
        """Take a lease that is still just as it was seen; None where it is not, or somebody writes under it now."""
        ...

    def release(self, owner: str, account: str, epoch: int) -> None:
        """Let nobody own an account that is still owned by this process, since that epoch."""

    def leave(self, owner: str) -> None:
        """This process is a member no more."""

    def forget(self, members: Sequence[Member]) -> None:
        """Drop members that have not given a beat since they were seen so."""

    def interrupt(self) -> None:
        """Make a call that is under way end soon, with a LeaseError."""

    def close(self) -> None:
        """Give the connection up; a later call opens another."""
