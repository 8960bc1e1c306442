"""Numbers in order, packed: each costs little more than its eight bytes, and is no object of its own."""

from array import array
from bisect import bisect_left

PAGE = 1024
"""So many numbers stand in one page at most: to make room for one moves a few kilobytes."""


class SortedNumbers:
    """Numbers, some of them maybe more than once."""

    __slots__ = ("_lasts", "_pages")

    def __init__(self) -> None:
        self._pages: list[array[float]] = []
        self._lasts = array("d")  # of each page, to find the one where a number belongs

    def __len__(self) -> int:
        return sum(map(len, self._pages))

    def __bool__(self) -> bool:
        return bool(self._pages)

    @property
    def first(self) -> float:
        """The lowest; there must be one."""
        return self._pages[0][0]

    def below(self, limit: float) -> int:
        """How many are lower than this."""
        at = bisect_left(self._lasts, limit)
        whole = sum(map(len, self._pages[:at]))
        return whole if at == len(self._pages) else whole + bisect_left(self._pages[at], limit)

    def add(self, number: float) -> None:
        """Let a number be there once more."""
        lasts = self._lasts
        if not lasts:
            self._pages.append(array("d", (number,)))
            lasts.append(number)
            return
        if number >= lasts[-1]:  # they are times: most come in order
            at, page = len(lasts) - 1, self._pages[-1]
            page.append(number)
            lasts[at] = number
        else:
            at = bisect_left(lasts, number)
            page = self._pages[at]
            page.insert(bisect_left(page, number), number)
        if len(page) > PAGE:
            self._halve(at, page)

    def remove(self, number: float) -> None:
        """Let a number be there once less; ValueError where it is not there."""
        lasts = self._lasts
        at = bisect_left(lasts, number)
        page = self._pages[at] if at < len(lasts) else array("d")
        place = bisect_left(page, number)
        if place == len(page) or page[place] != number:
            raise ValueError(f"{number} is not there")
        del page[place]
        if place < len(page):
            return
        if page:
            lasts[at] = page[-1]
        else:
            del self._pages[at], lasts[at]

    def _halve(self, at: int, page: "array[float]") -> None:
        self._pages[at : at + 1] = page[: PAGE // 2], page[PAGE // 2 :]
        self._lasts.insert(at, page[PAGE // 2 - 1])
