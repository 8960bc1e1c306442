"""Which task is due next. Pure: times are monotonic seconds and the caller's; a task is known by its number.

A wheel: what is due later stands unordered in the list of its tick, and only the tasks of the earliest tick are put in
order. So a poll costs the same however many tasks there are, and a task little more than its slot.
"""

import math
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

import msgspec
from sortedcontainers import SortedDict

from exporter.polling.slots import Slot, Slots

__all__ = ["Schedule", "Slot"]

TICKS = 16
"""So many lists stand for a second: with a million tasks asked about every minute, a thousand are in each."""

SPARE = 8
"""So many numbers of tasks that have gone elsewhere a list may hold beyond those that are in it."""


class _Tick(msgspec.Struct, eq=False, gc=False):
    """The tasks of one tick as they came. Some have gone elsewhere since: ``tasks`` tells how many are in it."""

    numbers: list[int]
    tasks: int = 0


class Schedule:
    """Each task at most once, ordered by when it is due; the one with the lower number first where two are together."""

    def __init__(self) -> None:
        self._slots = Slots()
        self._near: list[tuple[float, int]] = []  # a heap; of what went elsewhere, some is still in it
        self._is_first_known = False  # whether the first of the heap is known to be in it
        self._horizon = 0  # the first tick that is not in the heap
        self._later: SortedDict[int, _Tick] = SortedDict()
        self._rate = 0.0

    def __len__(self) -> int:
        return self._slots.tasks

    def __bool__(self) -> bool:
        return self._slots.tasks > 0

    def __contains__(self, number: int) -> bool:
        return number in self._slots

    def __iter__(self) -> Iterator[int]:
        """The tasks in the order in which they are due."""
        yield from (number for _, number in sorted(self._standing()))
        for at, tick in self._later.items():
            yield from (number for _, number in sorted(self._found(at, tick)))

    @property
    def rate(self) -> float:
        """Requests a second that the scheduled tasks ask for."""
        return max(0.0, self._rate)

    def slot(self, number: int) -> Slot | None:
        """A task's slot, if it has one."""
        return self._slots.get(number)

    def put(self, number: int, slot: Slot) -> None:
        """Give a task its slot, in place of any it has."""
        if not self._slots.add(number, slot):
            self.discard(number)
            self._slots.add(number, slot)
        self._rate += 1 / slot.interval
        at = _tick(slot.due)
        if at < self._horizon:
            heappush(self._near, (slot.due, number))
            return
        tick = self._later.get(at)
        if tick is None:
            tick = self._later[at] = _Tick([])
        tick.numbers.append(number)
        tick.tasks += 1

    def discard(self, number: int) -> Slot | None:
        """Take a task's slot away; return it, if it had one."""
        slot = self._slots.pop(number)
        if slot is None:
            return None
        self._rate = self._rate - 1 / slot.interval if self._slots.tasks else 0.0
        self._is_first_known = False
        at = _tick(slot.due)
        if at < self._horizon:
            if len(self._near) > 2 * self._slots.tasks + SPARE:
                self._near = sorted(self._standing())
        else:
            self._leave(at, self._later[at])
        return slot

    def pop(self, *, now: float) -> tuple[int, Slot] | None:
        """The task that has been due the longest, taken out; None where none is due."""
        while self._near or self._later:
            if not self._near:
                self._come_near()
            elif self._near[0][0] > now:
                return None
            else:
                due, number = heappop(self._near)
                self._is_first_known = False
                slot = self._slots.pop(number, due=due)
                if slot is not None:  # it has not gone elsewhere
                    self._rate = self._rate - 1 / slot.interval if self._slots.tasks else 0.0
                    return number, slot
        return None

    def is_due(self, *, now: float) -> bool:
        """Whether any task is due."""
        return self.next_due() <= now

    def next_due(self) -> float:
        """When the next task is due; infinity where none is scheduled."""
        while not self._is_first_known:
            if not self._near and not self._later:
                return math.inf
            if not self._near:
                self._come_near()
            elif self._stands(*self._near[0]):
                self._is_first_known = True
            else:
                heappop(self._near)
        return self._near[0][0]

    def due(self, *, now: float) -> int:
        """How many tasks are due."""
        near = sum(due <= now for due, _ in self._standing())
        later = 0
        for at, tick in self._later.items():
            if at >= _tick(now):
                return near + later + (sum(due <= now for due, _ in self._found(at, tick)) if at == _tick(now) else 0)
            later += tick.tasks
        return near + later

    # ---- the heap and the lists ------------------------------------------------------------------------------------

    def _stands(self, due: float, number: int) -> bool:
        return self._slots.due(number) == due

    def _standing(self) -> set[tuple[float, int]]:
        """What is in the heap and has not gone elsewhere."""
        return {entry for entry in self._near if self._stands(*entry)}

    def _found(self, at: int, tick: _Tick) -> set[tuple[float, int]]:
        """What is in a list and has not gone elsewhere."""
        dues = ((self._slots.due(number), number) for number in tick.numbers)
        return {(due, number) for due, number in dues if at <= due * TICKS < at + 1}

    def _come_near(self) -> None:
        """Put the tasks of the earliest tick in order."""
        at, tick = self._later.popitem(0)
        self._near = list(self._found(at, tick))
        heapify(self._near)
        self._horizon = at + 1

    def _leave(self, at: int, tick: _Tick) -> None:
        tick.tasks -= 1
        if not tick.tasks:
            del self._later[at]
        elif len(tick.numbers) > 2 * tick.tasks + SPARE:
            tick.numbers = [number for _, number in sorted(self._found(at, tick))]


def _tick(due: float) -> int:
    return math.floor(due * TICKS)
