"""How many connections there may be, and which of them makes room for another one.

None is held for an address: behind a proxy or a NAT everybody has the same one. What counts is what a connection waits
for. One whose other end has still to do something (ask, send, read) makes room, whoever has kept us waiting longest
first; one that we work for does not. Whoever has only just come has a moment to ask, whatever the others do.
"""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from exporter.metrics.traffic import Ending

CONNECTIONS = 512
"""So many at once where descriptors allow it: each may hold a head, a piece of a body and a piece of an answer."""

ELSEWHERE = 48
"""Descriptors that are kept for the ledger, lists and keys that are read, a reload, and what Python itself has open."""

FEWEST = 16
"""So many connections are tried even where there are no descriptors for them."""

KEPT = 32
"""Places beyond those, a quarter of all at most: they are for scrapes and health alone."""

HELD_BYTES = 32 << 20
"""So much, in all, may be kept for those who do not read their answers."""


GRACE_SECONDS = 1.0
"""Who has waited for less makes room only where nobody has waited for longer."""


class Phase(Enum):
    """What a connection waits for, in the order in which they make room."""

    CLOSING = auto()
    HEAD = auto()
    IDLE = auto()
    BODY = auto()
    WRITING = auto()
    WORK = auto()


class Guest(Protocol):
    """A connection, as far as its place goes. ``unread`` is how many bytes wait for it to be read."""

    @property
    def unread(self) -> int: ...

    def cut(self, why: Ending) -> None:
        """Close it at once."""
        ...

    def shutdown(self) -> None:
        """Close it after what is under way."""
        ...


@dataclass(frozen=True, slots=True)
class Capacity:
    """So many connections for anybody, and so many in all."""

    most: int
    with_kept: int


def capacity(*, upstream: int) -> Capacity:
    """What the limit of descriptors (RLIMIT_NOFILE) leaves beside what the exporter needs itself.

    ``upstream`` is how many connections to the API there may be.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + KEPT
    in_all = wanted if soft == resource.RLIM_INFINITY else max(FEWEST, min(wanted, soft - ELSEWHERE - upstream))
    return Capacity(in_all - min(KEPT, in_all // 4), in_all)


class Places:
    """The connections by what they wait for, those that have waited longest first."""

    def __init__(self, measure: Callable[[], Capacity], *, now: Callable[[], float] = time.monotonic) -> None:
        self._measure = measure
        self._now = now
        self._phases: dict[Guest, Phase] = {}
        self._waiting: dict[Phase, dict[Guest, float]] = {phase: {} for phase in Phase}

    def __len__(self) -> int:
        return len(self._phases)

    @property
    def capacity(self) -> Capacity:
        """As it is now: the limit of descriptors may be changed while the exporter runs."""
        return self._measure()

    @property
    def is_crowded(self) -> bool:
        """Whether there are so many that only scrapes and health are answered."""
        return len(self) > self.capacity.most

    @property
    def guests(self) -> tuple[Guest, ...]:
        """All that are here."""
        return tuple(self._phases)

    def move(self, guest: Guest, phase: Phase) -> None:
        """A connection comes, or waits for something else from now on."""
        self.leave(guest)
        self._phases[guest] = phase
        self._waiting[phase][guest] = self._now()
        if phase is Phase.WRITING:
            self._bound_what_is_held()

    def leave(self, guest: Guest) -> None:
        """A connection is gone, if it was here."""
        phase = self._phases.pop(guest, None)
        if phase is not None:
            del self._waiting[phase][guest]

    def make_room(self) -> bool:
        """Have one connection leave where there are as many as there may be; whether another one may come."""
        capacity = self.capacity
        if len(self) < capacity.most:
            return True
        return self.evict() or len(self) < capacity.with_kept

    def evict(self) -> bool:
        """Have the one leave that has kept us waiting longest; whether there is one."""
        first = [next(iter(each.items())) for phase, each in self._waiting.items() if each and phase is not Phase.WORK]
        if not first:
            return False
        long_ago = self._now() - GRACE_SECONDS
        had_time = [guest for guest, since in first if since <= long_ago]
        guest = had_time[0] if had_time else min(first, key=lambda each: each[1])[0]
        self.leave(guest)
        guest.cut(Ending.EVICTED)
        return True

    def _bound_what_is_held(self) -> None:
        unread = {guest: guest.unread for guest in self._waiting[Phase.WRITING]}
        held = sum(unread.values())
        for guest, size in unread.items():
            if held <= HELD_BYTES:
                break
            held -= size
            self.leave(guest)
            guest.cut(Ending.WRITE_TIMEOUT)
