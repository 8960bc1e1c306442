"""Which task is due next. Pure: times are monotonic seconds and the caller's; a task is known by its number."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from sys import maxsize

import msgspec
from sortedcontainers import SortedList


@dataclass(frozen=True, slots=True)
class Slot:
    """When a task is due, and how far (seconds) its polls are apart.

    ``is_hurried`` marks one that was brought forward: it is for a query, never for a stream.
    """

    due: float
    interval: float
    is_hurried: bool = False


class _Entry(msgspec.Struct, frozen=True, order=True, gc=False):
    """A slot as it is kept: ordered by its first fields, and invisible to the collector of cyclic garbage."""

    due: float
    arrival: int
    number: int
    interval: float
    is_hurried: bool

    def slot(self) -> Slot:
        return Slot(self.due, self.interval, self.is_hurried)


class Schedule:
    """Each task at most once, ordered by when it is due, first come first served where two are due together."""

    def __init__(self) -> None:
        self._arrivals = count()
        self._entries: dict[int, _Entry] = {}
        self._order: SortedList[_Entry] = SortedList()
        self._rate = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, number: int) -> bool:
        return number in self._entries

    def __iter__(self) -> Iterator[int]:
        """The tasks in the order in which they are due."""
        return (entry.number for entry in self._order)

    @property
    def rate(self) -> float:
        """Requests a second that the scheduled tasks ask for."""
        return max(0.0, self._rate)

    def slot(self, number: int) -> Slot | None:
        """A task's slot, if it has one."""
        found = self._entries.get(number)
        return found.slot() if found else None

    def put(self, number: int, slot: Slot) -> None:
        """Give a task its slot, in place of any it has."""
        self.discard(number)
        entry = _Entry(slot.due, next(self._arrivals), number, slot.interval, slot.is_hurried)
        self._entries[number] = entry
        self._order.add(entry)
        self._rate += 1 / slot.interval

    def discard(self, number: int) -> Slot | None:
        """Take a task's slot away; return it, if it had one."""
        found = self._entries.pop(number, None)
        if found is None:
            return None
        self._order.remove(found)
        self._rate = self._rate - 1 / found.interval if self._entries else 0.0
        return found.slot()

    def pop(self, *, now: float) -> tuple[int, Slot] | None:
        """The task that has been due the longest, taken out; None where none is due."""
        if self.next_due() > now:
            return None
        number = self._order[0].number
        slot = self.discard(number)
        return (number, slot) if slot else None

    def next_due(self) -> float:
        """When the next task is due; infinity where none is scheduled."""
        return self._order[0].due if self._order else math.inf

    def due(self, *, now: float) -> int:
        """How many tasks are due."""
        return self._order.bisect_right(_Entry(now, maxsize, maxsize, math.inf, is_hurried=True))
