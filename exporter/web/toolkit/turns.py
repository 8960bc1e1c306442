"""A queue in which every address has its turn: whoever crowds it waits, and goes, behind his own."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """At most ``most`` things wait, each for an address; these take turns, and first comes first of each."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._lines: dict[str, deque[T]] = {}  # in the order of their turns
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def join(self, address: str, item: T) -> T | None:
        """Have it wait. Where that is one too many, somebody has to go for it, and is returned: the last one of the
        address for which most wait, which may be the one that has just come.
        """
        self._lines.setdefault(address, deque()).append(item)
        self._waiting += 1
        if self._waiting <= self._most:
            return None
        crowd = max(self._lines, key=lambda each: (len(self._lines[each]), each == address))
        return self._leave(crowd, self._lines[crowd].pop())

    def take(self) -> T:
        """The one whose turn it is; there has to be one."""
        address, line = next(iter(self._lines.items()))
        item = self._leave(address, line.popleft())
        if address in self._lines:
            self._lines[address] = self._lines.pop(address)  # behind all others
        return item

    def _leave(self, address: str, item: T) -> T:
        self._waiting -= 1
        if not self._lines[address]:
            del self._lines[address]
        return item
