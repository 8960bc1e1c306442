"""Which accounts a replica takes, and which one it gives away, so that each owns its share of them."""

from collections.abc import Collection
from random import Random

from exporter.replicas.lease import Lease, patience_with
from exporter.replicas.membership import Membership
from exporter.replicas.sightings import Sightings


class Balance:
    """Decides after each look at the store.

    An account is given away only to have it taken by another: one at a time, once the replicas have been the same for
    long, and never again among replicas of which none took the last one.
    """

    def __init__(self, owner: str, members: Membership, *, lease: float, random: Random) -> None:
        self._owner = owner
        self._members = members
        self._lease = lease
        self._random = random
        self._given: str | None = None
        self._is_refused = False

    def members_changed(self) -> None:
        """Other replicas may take what those before did not."""
        self._is_refused = False

    def gained(self, account: str) -> None:
        """What was given away and comes back was wanted by nobody."""
        if account == self._given:
            self._given, self._is_refused = None, True

    def to_take(self, leases: Sightings[str, Lease], *, owned: int, now: float) -> list[Lease]:
        """The leases to take now, in any order: two replicas that take at once should not take the same.

        What nobody takes for twice the time is taken though it is beyond the share: the others cannot, it seems.
        """
        takable = [lease for lease in leases.values().values() if self._is_takable(lease, leases, now)]
        self._random.shuffle(takable)
        room = max(0, self._members.share(len(leases)) - owned)
        left_over = [lease for lease in takable[room:] if self._is_spare(lease, leases, now)]
        return [*takable[:room], *left_over]

    def to_give(self, leases: Sightings[str, Lease], *, owned: Collection[str], now: float) -> str | None:
        """The account to give away now."""
        if self._is_given(leases) or self._is_refused or not self._members.is_settled(now=now):
            return None
        if len(owned) <= self._members.share(len(leases)):
            return None
        self._given = self._random.choice(sorted(owned))
        return self._given

    def _is_takable(self, lease: Lease, leases: Sightings[str, Lease], now: float) -> bool:
        """Whether nobody owns it, or whoever does has not renewed it for so long that it cannot believe to own it."""
        if lease.owner == self._owner:
            return False
        patience = patience_with(lease.owner, lease=self._lease)
        return lease.owner is None or leases.unchanged_for(lease.account, now=now) >= patience

    def _is_spare(self, lease: Lease, leases: Sightings[str, Lease], now: float) -> bool:
        return leases.unchanged_for(lease.account, now=now) >= 2 * patience_with(lease.owner, lease=self._lease)

    def _is_given(self, leases: Sightings[str, Lease]) -> bool:
        """Whether the account that was given away last still waits for somebody."""
        lease = leases.values().get(self._given) if self._given is not None else None
        if lease is None or lease.owner not in (None, self._owner):
            self._given = None
        return self._given is not None
