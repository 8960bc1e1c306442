"""Which accounts a replica takes, and which one it gives away, so that each owns its share of them."""

from collections.abc import Collection
from random import Random

from exporter.replicas.lease import Lease, patience_with
from exporter.replicas.membership import Membership
from exporter.replicas.sightings import Sightings

OFFERED = 2 / 3
"""So many leases an account that was given away waits for another replica; then whoever gave it may have it back."""

REFUSED = 12
"""So many leases nothing is given away any more after nobody has taken what was, unless other replicas come.

Why nobody did is not known and need not last: one that lives, and hears no answers, takes nothing until it does again.
"""


class Balance:
    """Decides after each look at the store.

    An account is given away only to have it taken by another: one at a time, once the replicas have been the same for
    long, and seldom among replicas of which none took the last one.
    """

    def __init__(self, owner: str, members: Membership, *, lease: float, random: Random) -> None:
        self._owner = owner
        self._members = members
        self._lease = lease
        self._random = random
        self._given: str | None = None
        self._refused_until = float("-inf")

    def members_changed(self) -> None:
        """Other replicas may take what those before did not."""
        self._refused_until = float("-inf")

    def gained(self, account: str, *, now: float) -> None:
        """What was given away and comes back was wanted by nobody."""
        if account == self._given:
            self._given, self._refused_until = None, now + REFUSED * self._lease

    def to_take(self, leases: Sightings[str, Lease], *, owned: int, now: float) -> list[Lease]:
        """The leases to take now, in any order: two replicas that take at once should not take the same.

        What nobody takes for long is taken though it is beyond the share: the others cannot, it seems.
        """
        takable = [lease for lease in leases.values().values() if self._is_takable(lease, leases, now)]
        self._random.shuffle(takable)
        room = max(0, self._members.share(len(leases)) - owned)
        left_over = [lease for lease in takable[room:] if self._is_spare(lease, leases, now)]
        return [*takable[:room], *left_over]

    def to_give(self, leases: Sightings[str, Lease], *, owned: Collection[str], now: float) -> str | None:
        """The account to give away now."""
        if self._is_given(leases) or now < self._refused_until or not self._members.is_settled(now=now):
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
        is_mine = lease.account == self._given
        waits = OFFERED * self._lease if is_mine else 2 * patience_with(lease.owner, lease=self._lease)
        return leases.unchanged_for(lease.account, now=now) >= waits

    def _is_given(self, leases: Sightings[str, Lease]) -> bool:
        """Whether the account that was given away last still waits for somebody."""
        lease = leases.get(self._given) if self._given is not None else None
        if lease is None or lease.owner not in (None, self._owner):
            self._given = None
        return self._given is not None
