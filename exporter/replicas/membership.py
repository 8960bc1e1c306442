"""Which replicas live, and how many accounts each of them should own."""

from collections.abc import Mapping, Sequence

from exporter.replicas.lease import PATIENCE, Member, patience_with, replica_of
from exporter.replicas.sightings import Sightings

FORGOTTEN = 10
"""After so many times the patience that a dead member is given, its row is dropped."""


class Membership:
    """The replicas by their beats, not by what they own: one that has just come owns nothing yet.

    Two processes of one name are one replica: of a process that starts again and again only the last one lives.
    ``has_namesake`` is whether another one of this name is at work beside this one.
    """

    def __init__(self, owner: str, *, lease: float) -> None:
        self._owner = owner
        self._lease = lease
        self._seen: Sightings[str, Member] = Sightings()
        self._live: frozenset[str] = frozenset((replica_of(owner),))
        self._since: float | None = None
        self._namesakes: set[str] = set()
        self.has_namesake = False

    def see(self, members: Mapping[str, Member], *, now: float) -> bool:
        """Take in all members; say whether other replicas live than before."""
        self._namesakes.update(owner for owner in members if self._is_namesake_at_work(members[owner]))
        self._seen.see(members, now=now)
        self._namesakes = {owner for owner in self._namesakes if owner in members and self._lives(owner, now)}
        self.has_namesake = bool(self._namesakes)
        alive = (owner for owner in members if self._lives(owner, now))
        live = frozenset(map(replica_of, (self._owner, *alive)))
        changed = live != self._live
        if changed or self._since is None:
            self._live, self._since = live, now
        return changed

    def get(self, owner: str) -> Member | None:
        """A member as it was seen last, dead or alive."""
        return self._seen.get(owner)

    def share(self, accounts: int) -> int:
        """How many of so many accounts are one replica's."""
        return -(-accounts // len(self._live))

    def is_settled(self, *, now: float) -> bool:
        """Whether the same replicas have lived for so long that none of them can be a dead one."""
        return self._since is not None and now - self._since > PATIENCE * self._lease

    def forgotten(self, *, now: float) -> Sequence[Member]:
        """The members that have been dead for long."""
        seen = self._seen.values()
        return [member for owner, member in seen.items() if not self._lives(owner, now, times=FORGOTTEN)]

    def _is_namesake_at_work(self, member: Member) -> bool:
        """Whether one of this name has beaten since the last look: the process before this one does not any more."""
        if member.owner == self._owner or replica_of(member.owner) != replica_of(self._owner):
            return False
        before = self._seen.get(member.owner)
        return before is not None and before.beat != member.beat

    def _lives(self, owner: str, now: float, *, times: int = 1) -> bool:
        patience = times * patience_with(owner, lease=self._lease)
        return owner == self._owner or self._seen.unchanged_for(owner, now=now) < patience
