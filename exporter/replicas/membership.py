"""Which replicas live, and how many accounts each of them should own."""

from collections.abc import Mapping, Sequence

from exporter.replicas.lease import Member, replica_of
from exporter.replicas.sightings import Sightings

FORGOTTEN = 10
"""After so many times the patience that a dead member is given, its row is dropped."""


class Membership:
    """The replicas by their beats, not by what they own: one that has just come owns nothing yet.

    Two processes of one name are one replica: of a process that starts again and again only the last one lives.
    """

    def __init__(self, owner: str, *, patience: float) -> None:
        self._owner = owner
        self._patience = patience
        self._seen: Sightings[str, Member] = Sightings()
        self._live: frozenset[str] = frozenset((replica_of(owner),))
        self._since: float | None = None

    def see(self, members: Mapping[str, Member], *, now: float) -> bool:
        """Take in all members; say whether other replicas live than before."""
        self._seen.see(members, now=now)
        alive = [owner for owner in members if self._seen.unchanged_for(owner, now=now) < self._patience]
        live = frozenset(map(replica_of, (self._owner, *alive)))
        changed = live != self._live
        if changed or self._since is None:
            self._live, self._since = live, now
        return changed

    def share(self, accounts: int) -> int:
        """How many of so many accounts are one replica's."""
        return -(-accounts // len(self._live))

    def is_settled(self, *, now: float) -> bool:
        """Whether the same replicas have lived for so long that none of them can be a dead one."""
        return self._since is not None and now - self._since > self._patience

    def forgotten(self, *, now: float) -> Sequence[Member]:
        """The members that have been dead for long."""
        return [
            member
            for owner, member in self._seen.values().items()
            if self._seen.unchanged_for(owner, now=now) > FORGOTTEN * self._patience and owner != self._owner
        ]
