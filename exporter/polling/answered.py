"""Whom to ask about when it is the account that is in question: some tasks that were answered well. Pure."""

import math
from typing import Protocol

KEPT = 64
"""So many tasks are kept: enough that one of them may be asked about soon, and a poll has next to nothing to do."""


class Scheduled(Protocol):
    """The tasks that are not being asked about just now."""

    def __contains__(self, number: int) -> bool: ...


class Answered:
    """Tasks whose last query was answered well, and when (monotonic seconds) each may be asked about again.

    All of them where there are few; of many, those that may be asked about the soonest.
    """

    def __init__(self) -> None:
        self._ready_at: dict[int, float] = {}
        self._latest = math.inf  # none of them may be later: it need not be looked for with each poll

    def __len__(self) -> int:
        return len(self._ready_at)

    def note(self, number: int, *, ready_at: float) -> None:
        """A task was answered well, or it is to be left alone until then for another reason."""
        if number in self._ready_at or len(self._ready_at) < KEPT:
            self._ready_at[number] = ready_at
            self._latest = max(self._latest, ready_at)
        elif ready_at < self._latest:
            self._replace_latest(number, ready_at)

    def discard(self, number: int) -> None:
        """A task is no more, or its query failed."""
        self._ready_at.pop(number, None)

    def first(self, *, among: Scheduled) -> tuple[int, float] | None:
        """Of those that are among these, the one that may be asked about next, and when."""
        found = ((ready_at, number) for number, ready_at in self._ready_at.items() if number in among)
        ready_at, number = min(found, default=(math.inf, -1))
        return None if number < 0 else (number, ready_at)

    def _replace_latest(self, number: int, ready_at: float) -> None:
        latest = max(self._ready_at, key=self._ready_at.__getitem__)
        if ready_at < self._ready_at[latest]:
            del self._ready_at[latest]
            self._ready_at[number] = ready_at
        self._latest = max(self._ready_at.values())
