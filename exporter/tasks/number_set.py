"""Sets of numbers, in order, for which such as came together cost little more than a bit each."""

from collections.abc import Iterator

from sortedcontainers import SortedList

PAGE = 64
"""So many numbers share one word: a bit of it says whether one is there."""


class NumberSet:
    """Numbers that are not negative. A page goes with the last of its numbers."""

    __slots__ = ("_length", "_order", "_pages")

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}
        self._order: SortedList[int] = SortedList()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __contains__(self, number: int) -> bool:
        return bool(self._pages.get(number // PAGE, 0) >> number % PAGE & 1)

    def add(self, number: int) -> None:
        """Let a number be there."""
        at, bit = number // PAGE, 1 << number % PAGE
        page = self._pages.get(at, 0)
        if not page:
            self._order.add(at)
        if not page & bit:
            self._pages[at] = page | bit
            self._length += 1

    def discard(self, number: int) -> bool:
        """Let a number not be there; say whether it was."""
        at, bit = number // PAGE, 1 << number % PAGE
        page = self._pages.get(at, 0)
        if not page & bit:
            return False
        self._length -= 1
        if page != bit:
            self._pages[at] = page ^ bit
        else:
            del self._pages[at]
            self._order.remove(at)
        return True

    def __iter__(self) -> Iterator[int]:
        """All of them, in order. Those that come or go meanwhile may be among them or not; no other is left out."""
        at = next(iter(self._order), None)
        while at is not None:
            page = self._pages[at]
            while page:
                bit = page & -page
                yield at * PAGE + bit.bit_length() - 1
                page ^= bit
            at = next(self._order.irange(at, inclusive=(False, False)), None)
