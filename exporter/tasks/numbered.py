"""Entries by their numbers, in order: numbers only grow, and what came together stands together."""

from collections.abc import Iterator, Sequence

from sortedcontainers import SortedDict

from exporter.tasks.entry import Entry

PAGE = 64
"""So many numbers stand on one page: a place on it is all that an entry costs here."""

Page = Sequence[Entry | None]
"""A list while entries come, a tuple since there is one in its last place: the collector of cyclic garbage, which would
look at every entry of a list, lets go of a tuple of which nothing concerns it."""


class Numbered:
    """Entries by number. A page goes with the last of its entries."""

    def __init__(self) -> None:
        self._pages: SortedDict[int, Page] = SortedDict()
        self._entries = 0

    def __len__(self) -> int:
        return self._entries

    def get(self, number: int) -> Entry | None:
        """The entry of that number, if there is one."""
        page = self._pages.get(number // PAGE)
        return None if page is None else page[number % PAGE]

    def add(self, entry: Entry) -> None:
        """Keep an entry under its number, which is nobody's."""
        at, place = divmod(entry.number, PAGE)
        page = self._pages.get(at)
        if not isinstance(page, list):
            page = self._pages[at] = [None] * PAGE if page is None else [*page]
        page[place] = entry
        if place == PAGE - 1:
            self._pages[at] = tuple(page)
        self._entries += 1

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        at, place = divmod(entry.number, PAGE)
        page = [*self._pages[at]]
        page[place] = None
        self._entries -= 1
        if any(page):
            self._pages[at] = tuple(page)
        else:
            del self._pages[at]

    def after(self, number: int) -> Iterator[Entry]:
        """The entries with greater numbers, in order. Nothing may come or go meanwhile."""
        first = number + 1
        for at in self._pages.irange(first // PAGE):
            start = first % PAGE if at == first // PAGE else 0
            yield from (entry for entry in self._pages[at][start:] if entry is not None)
