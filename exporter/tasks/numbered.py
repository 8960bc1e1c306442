"""Entries by their numbers, in order: numbers only grow, and what came together stands together."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from exporter.tasks.entry import Entry

PAGE = 64
"""So many numbers stand in one list: a place in it is all that an entry costs here."""


class Numbered:
    """Entries by number. A page goes with the last of its entries."""

    def __init__(self) -> None:
        self._pages: SortedDict[int, list[Entry | None]] = SortedDict()
        self._entries = 0

    def __len__(self) -> int:
        return self._entries

    def get(self, number: int) -> Entry | None:
        """The entry of that number, if there is one."""
        page = self._pages.get(number // PAGE)
        return None if page is None else page[number % PAGE]

    def add(self, entry: Entry) -> None:
        """Keep an entry under its number, which is nobody's."""
        page = self._pages.get(entry.number // PAGE)
        if page is None:
            page = self._pages[entry.number // PAGE] = [None] * PAGE
        page[entry.number % PAGE] = entry
        self._entries += 1

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        page = self._pages[entry.number // PAGE]
        page[entry.number % PAGE] = None
        self._entries -= 1
        if not any(page):
            del self._pages[entry.number // PAGE]

    def after(self, number: int) -> Iterator[Entry]:
        """The entries with greater numbers, in order. Nothing may come or go meanwhile."""
        first = number + 1
        for at in self._pages.irange(first // PAGE):
            start = first % PAGE if at == first // PAGE else 0
            yield from (entry for entry in self._pages[at][start:] if entry is not None)
