"""Which task is due next. Pure: times are the caller's."""

import heapq
from dataclasses import dataclass
from itertools import count

from exporter.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Slot:
    """A task's turn: when it is due (monotonic seconds) and how far it is from its next one (seconds).

    ``is_hurried`` marks a turn that was brought forward: it is for a query.
    """

    due: float
    interval: float
    is_hurried: bool = False


class Schedule:
    """Each task at most once, ordered by when it is due, first come first served where two are due together."""

    def __init__(self) -> None:
        self._order = count()
        self._slots: dict[Task, Slot] = {}
        self._heap: list[tuple[float, int, Task, Slot]] = []
        self._rate = 0.0

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, task: Task) -> bool:
        return task in self._slots

    @property
    def rate(self) -> float:
        """Requests a second that the scheduled tasks ask for."""
        return max(0.0, self._rate)

    def slot(self, task: Task) -> Slot | None:
        """A task's turn, if it has one."""
        return self._slots.get(task)

    def put(self, task: Task, slot: Slot) -> None:
        """Give a task its turn, in place of any it has."""
        self.discard(task)
        self._slots[task] = slot
        self._rate += 1 / slot.interval
        heapq.heappush(self._heap, (slot.due, next(self._order), task, slot))

    def discard(self, task: Task) -> None:
        """Take a task's turn away, if it has one."""
        slot = self._slots.pop(task, None)
        if slot is not None:
            self._rate = self._rate - 1 / slot.interval if self._slots else 0.0

    def pop(self, *, now: float) -> tuple[Task, Slot] | None:
        """The task that has been due the longest, taken out; None where none is due."""
        due = self.next_due()
        if due is None or due > now:
            return None
        _, _, task, slot = heapq.heappop(self._heap)
        self.discard(task)
        return task, slot

    def next_due(self) -> float | None:
        """When the next turn is; None where no task is scheduled."""
        while self._heap and self._slots.get(self._heap[0][2]) is not self._heap[0][3]:
            heapq.heappop(self._heap)  # a turn that was taken away or replaced
        return self._heap[0][0] if self._heap else None

    def due(self, *, now: float) -> int:
        """How many tasks are due."""
        return sum(slot.due <= now for slot in self._slots.values())
