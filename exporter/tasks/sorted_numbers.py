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
        pages, lasts = self._pages, self._lasts
        if pages and number >= lasts[-1]:  # they are times: most come in order
            page = pages[-1]
            page.append(number)
            lasts[-1] = number
            if len(page) > PAGE:
                self._halve(len(pages) - 1, page)
        elif pages:
            self._insert(number)
        else:
            pages.append(array("d", (number,)))
            lasts.append(number)

    def _insert(self, number: float) -> None:
        at = bisect_left(self._lasts, number)
        page = self._pages[at]
        page.insert(bisect_left(page, number), number)
        if len(page) > PAGE:
            self._halve(at, page)

    def remove(self, number: float) -> None:
        """Let a number be there once less; ValueError where it is not there."""
        pages = self._pages
        is_first = pages and pages[0][0] == number  # most go in order, too
        at, place = (0, 0) if is_first else self._place_of(number)
        page = pages[at]
        del page[place]
        if not page:
            del pages[at], self._lasts[at]
        elif place == len(page):
            self._lasts[at] = page[-1]

    def _place_of(self, number: float) -> tuple[int, int]:
        """The page of a number that is there, and its place in it."""
        at = bisect_left(self._lasts, number)
        if at < len(self._pages):
            page = self._pages[at]
            place = bisect_left(page, number)
            if page[place] == number:
                return at, place
        raise ValueError(f"{number} is not there")

    def _halve(self, at: int, page: "array[float]") -> None:
        self._pages[at : at + 1] = page[: PAGE // 2], page[PAGE // 2 :]
        self._lasts.insert(at, page[PAGE // 2 - 1])
