"""A schedule that groups share: who is polled while more polls are due than may be sent. Pure, as ``Schedule`` is.

As long as polls are in time, tasks are taken in the order in which they are due. Once one is late, all that are due are
sorted into lanes, by their group and by how far their polls are apart, and two questions are asked for each poll.

*Which group?* Half of the budget is shared out by what the late tasks of each group ask for, and half of it equally.
The one half is for the many: where the account may send 1/n of the polls, no group's intervals grow to more than 2n
times what they should be. The other half is for the few: a group that asks for little gets it, however many tasks
another one has. What a group does not use goes to the others (start-time fair queueing, Goyal, Vin and Cheng 1996).

*Which of its tasks?* The one that is late by the most of its own intervals, to a factor of two. So tasks that will
probably end soon, whose intervals are short, go first; and any other does as well in the end, for it gets later all the
time.
"""

import math
from collections.abc import Callable, Iterator
from heapq import heappop, heappush, merge
from itertools import count

from exporter.polling.places import Places
from exporter.polling.schedule import Schedule, Slot

IN_TIME = 1.0
"""A poll that is late by so many seconds is in time still."""

AT_ONCE = 32
"""So many tasks are sorted at most before one is taken: that a million have come due together holds up nobody."""

_HURRIED = -100
"""In place of an octave, for tasks that were brought forward."""


class FairSchedule:
    """Has the methods of ``Schedule``. ``group_of`` is asked for the group of a task that is late, and of no other."""

    def __init__(self, *, group_of: Callable[[int], str]) -> None:
        self._group_of = group_of
        self._waiting = Schedule()
        self._late = _Late()

    def __len__(self) -> int:
        return len(self._waiting) + self._late.size

    def __bool__(self) -> bool:
        return self._late.size > 0 or bool(self._waiting)

    def __contains__(self, number: int) -> bool:
        return number in self._waiting or (self._late.size > 0 and number in self._late)

    def __iter__(self) -> Iterator[int]:
        """The tasks in the order in which they are due."""
        return iter(self._waiting) if not self._late.size else merge(self._waiting, *self._late.lanes(), key=self._due)

    @property
    def rate(self) -> float:
        """Requests a second that the scheduled tasks ask for."""
        return self._waiting.rate + self._late.rate

    def slot(self, number: int) -> Slot | None:
        """A task's slot, if it has one."""
        return self._waiting.slot(number) or self._late.slot(number)

    def put(self, number: int, slot: Slot) -> None:
        """Give a task its slot, in place of any it has."""
        if self._late.size:
            self._late.discard(number)
        self._waiting.put(number, slot)

    def discard(self, number: int) -> Slot | None:
        """Take a task's slot away; return it, if it had one."""
        return self._waiting.discard(number) or self._late.discard(number)

    def pop(self, *, now: float) -> tuple[int, Slot] | None:
        """The task whose turn it is, taken out; None where none is due."""
        if not self._late.size:
            found = self._waiting.pop(now=now)
            if found is None or now - found[1].due <= IN_TIME:
                return found
            self._waiting.put(*found)  # from now on it is one of those that are late
        self._sort(now)
        return self._late.pop(now)

    def is_due(self, *, now: float) -> bool:
        """Whether any task is due."""
        return self._late.size > 0 or self._waiting.next_due() <= now

    def next_due(self) -> float:
        """When the next task is due, or which has been due the longest; infinity where none is scheduled."""
        waiting = self._waiting.next_due()
        return min(waiting, self._late.oldest()) if self._late.size else waiting

    def due(self, *, now: float) -> int:
        """How many tasks are due."""
        return self._waiting.due(now=now) + self._late.size

    def _due(self, number: int) -> float:
        slot = self.slot(number)
        return slot.due if slot else math.inf

    def _sort(self, now: float) -> None:
        for _ in range(AT_ONCE):
            found = self._waiting.pop(now=now)
            if found is None:
                return
            number, slot = found
            self._late.put(number, slot, group=self._group_of(number))


class _Lane:
    """Tasks of one group whose polls are about as far apart, in the order in which they are due."""

    __slots__ = ("group", "octave", "tasks")

    def __init__(self, group: "_Group", octave: int) -> None:
        self.group = group
        self.octave = octave
        self.tasks = Schedule()

    def stretch(self, now: float) -> float:
        """By how many intervals the first one is late."""
        return math.ldexp(now - self.tasks.next_due(), -self.octave)


class _Group:
    """The late tasks of one group. ``tag`` is how far it has been served, by the virtual clock of all groups."""

    __slots__ = ("is_listed", "lanes", "rate", "tag", "was_hurried")

    def __init__(self, tag: float) -> None:
        self.tag = tag
        self.rate = 0.0
        self.lanes: dict[int, _Lane] = {}
        self.is_listed = False
        self.was_hurried = False

    def lane(self, slot: Slot) -> _Lane:
        octave = _HURRIED if slot.is_hurried else math.frexp(slot.interval)[1]
        found = self.lanes.get(octave)
        if found is None:
            found = self.lanes[octave] = _Lane(self, octave)
        return found

    def next(self, now: float) -> _Lane:
        """The lane whose turn it is: tasks that were brought forward, but not twice in a row where others wait."""
        if len(self.lanes) == 1:
            (only,) = self.lanes.values()
            self.was_hurried = only.octave == _HURRIED
            return only
        hurried = self.lanes.get(_HURRIED)
        self.was_hurried = hurried is not None and not self.was_hurried
        if hurried is not None and self.was_hurried:
            return hurried
        others = (lane for lane in self.lanes.values() if lane is not hurried)
        return max(others, key=lambda lane: lane.stretch(now))


class _Late:
    """All tasks that are late, by group. What is remembered of groups is forgotten once none is late any more."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._lane_of: Places[_Lane] = Places()
        self._turns: list[tuple[float, int, _Group]] = []  # a heap of the groups with tasks
        self._arrivals = count()
        self.size = 0
        """How many tasks are late."""
        self._rate = 0.0
        self._clock = 0.0  # the tag of the group that was served last
        self._oldest: float | None = None  # None: to be looked for

    def __contains__(self, number: int) -> bool:
        return self._lane_of.get(number) is not None

    @property
    def rate(self) -> float:
        return max(0.0, self._rate)

    def lanes(self) -> Iterator[Schedule]:
        return (lane.tasks for group in self._groups.values() for lane in group.lanes.values())

    def slot(self, number: int) -> Slot | None:
        lane = self._lane_of.get(number)
        return lane.tasks.slot(number) if lane else None

    def oldest(self) -> float:
        """When the task that has been late the longest was due; infinity where none is late."""
        if not self.size:
            return math.inf
        if self._oldest is None:  # seldom: the lane that it was in is one of many, or there are few to look at
            self._oldest = min(lane.next_due() for lane in self.lanes())
        return self._oldest

    def put(self, number: int, slot: Slot, *, group: str) -> None:
        found = self._groups.get(group)
        if found is None:
            found = self._groups[group] = _Group(self._clock)
        lane = found.lane(slot)
        lane.tasks.put(number, slot)
        self._lane_of.put(number, lane)
        self.size += 1
        self._rate += 1 / slot.interval
        found.rate += 1 / slot.interval
        if self._oldest is not None:
            self._oldest = min(self._oldest, slot.due)
        self._list(found)

    def discard(self, number: int) -> Slot | None:
        lane = self._lane_of.get(number)
        slot = lane.tasks.discard(number) if lane else None
        if lane is not None and slot is not None:
            self._removed(number, slot, lane)
        return slot

    def pop(self, now: float) -> tuple[int, Slot] | None:
        """The task whose turn it is."""
        while self._turns:
            self._clock, _, group = heappop(self._turns)
            group.is_listed = False
            if not group.lanes:
                continue  # all that it had were taken away
            group.tag = self._clock + 1 / self._weight(group)
            lane = group.next(now)
            found = lane.tasks.pop(now=now)
            if found is not None:
                self._removed(*found, lane)
            if group.lanes:
                self._list(group)
            return found
        return None

    def _weight(self, group: _Group) -> float:
        """What part of the budget a group should have; all of them together have 2."""
        return group.rate / self._rate + 1 / (len(self._turns) + 1)

    def _list(self, group: _Group) -> None:
        if not group.is_listed:
            group.tag = max(group.tag, self._clock)
            group.is_listed = True
            heappush(self._turns, (group.tag, next(self._arrivals), group))

    def _removed(self, number: int, slot: Slot, lane: _Lane) -> None:
        self._lane_of.pop(number)
        self.size -= 1
        self._rate -= 1 / slot.interval
        group = lane.group
        if not lane.tasks:
            del group.lanes[lane.octave]
        group.rate = group.rate - 1 / slot.interval if group.lanes else 0.0
        if self._oldest is not None and slot.due <= self._oldest:
            self._oldest = None
        if not self.size:
            self._groups.clear()
            self._turns.clear()
            self._clock = self._rate = 0.0
