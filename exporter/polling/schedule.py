"""Which task is due next. Pure: times are monotonic seconds and the caller's; a task is known by its number."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from sys import maxsize

from sortedcontainers import SortedList


@dataclass(frozen=True, slots=True)
class Slot:
    """When a task is due, and how far (seconds) its polls are apart.

    ``is_hurried`` marks one that was brought forward: it is for a query, never for a stream.
    """

    due: float
    interval: float
    is_hurried: bool = False


class Schedule:
    """Each task at most once, ordered by when it is due, first come first served where two are due together."""

    def __init__(self) -> None:
        self._arrivals = count()
        self._slots: dict[int, tuple[Slot, int]] = {}
        self._order: SortedList[tuple[float, int, int]] = SortedList()  # due, arrival, number
        self._rate = 0.0

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, number: int) -> bool:
        return number in self._slots

    def __iter__(self) -> Iterator[int]:
        """The tasks in the order in which they are due."""
        return (number for _, _, number in self._order)

    @property
    def rate(self) -> float:
        """Requests a second that the scheduled tasks ask for."""
        return max(0.0, self._rate)

    def slot(self, number: int) -> Slot | None:
        """A task's slot, if it has one."""
        found = self._slots.get(number)
        return found[0] if found else None

    def put(self, number: int, slot: Slot) -> None:
        """Give a task its slot, in place of any it has."""
        self.discard(number)
        arrival = next(self._arrivals)
        self._slots[number] = (slot, arrival)
        self._order.add((slot.due, arrival, number))
        self._rate += 1 / slot.interval

    def discard(self, number: int) -> Slot | None:
        """Take a task's slot away; return it, if it had one."""
        found = self._slots.pop(number, None)
        if found is None:
            return None
        slot, arrival = found
        self._order.remove((slot.due, arrival, number))
        self._rate = self._rate - 1 / slot.interval if self._slots else 0.0
        return slot

    def pop(self, *, now: float) -> tuple[int, Slot] | None:
        """The task that has been due the longest, taken out; None where none is due."""
        if self.next_due() > now:
            return None
        number = self._order[0][2]
        slot = self.discard(number)
        return (number, slot) if slot else None

    def next_due(self) -> float:
        """When the next task is due; infinity where none is scheduled."""
        return self._order[0][0] if self._order else math.inf

    def due(self, *, now: float) -> int:
        """How many tasks are due."""
        return self._order.bisect_right((now, maxsize, maxsize))
