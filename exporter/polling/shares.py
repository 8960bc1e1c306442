"""Whose turn it is: tasks that are well, or tasks whose queries fail. Pure, as the schedules are that it chooses from.

Tasks whose queries fail together never take more than a share of what the account may ask: of the slots, of the
requests where others wait for theirs, and of the time where there is but one slot. So they slow no other task.
"""

import math
from typing import Protocol

from exporter.polling.schedule import Slot

FAILING_SHARE = 4
"""One in so many requests may be for tasks whose queries fail; one at a time always may."""


class Due(Protocol):
    """A schedule, as far as turns depend on it."""

    def __len__(self) -> int: ...
    def is_due(self, *, now: float) -> bool: ...
    def next_due(self) -> float: ...
    def pop(self, *, now: float) -> tuple[int, Slot] | None: ...


class Shares:
    """Chooses from two schedules. ``slots`` is how many requests the account may have in flight."""

    def __init__(self, *, well: Due, failing: Due) -> None:
        self._well = well
        self._failing = failing
        self._failing_asked = 0
        self._well_in_a_row = FAILING_SHARE
        self._rests_until = -math.inf

    def next_due(self, *, slots: int) -> float:
        """When a task may be asked about next, as far as is known; infinity where none is scheduled."""
        return min(self._well.next_due(), self._failing_due(slots))

    def is_due(self, *, now: float, slots: int) -> bool:
        """Whether a task may be asked about now."""
        return self._well.is_due(now=now) or (bool(self._failing) and self._failing_due(slots) <= now)

    def pop(self, *, now: float, slots: int, is_probe: bool = False) -> tuple[int, Slot] | None:
        """The task whose turn it is, taken out; None where none is due. A probe prefers one that is well."""
        if not self._failing or (failing_due := self._failing_due(slots)) > now:
            return self._well.pop(now=now)
        is_turn_of_failing = not is_probe and self._well_in_a_row >= FAILING_SHARE - 1
        if is_turn_of_failing and failing_due < self._well.next_due():
            return self._failing.pop(now=now)
        return self._well.pop(now=now) or self._failing.pop(now=now)

    def began(self, *, is_failing: bool) -> None:
        """A request for such a task goes out."""
        self._failing_asked += is_failing
        self._well_in_a_row = 0 if is_failing else self._well_in_a_row + 1

    def failing_ended(self, *, seconds: float, now: float, slots: int) -> None:
        """A request for a task whose queries fail has come back, after so many seconds."""
        self._failing_asked -= 1
        if slots == 1:
            self._rests_until = now + seconds * (FAILING_SHARE - 1)

    def _failing_due(self, slots: int) -> float:
        if self._failing_asked >= max(1, slots // FAILING_SHARE):
            return math.inf
        return max(self._failing.next_due(), self._rests_until)
