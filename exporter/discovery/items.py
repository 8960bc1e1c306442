"""A long list of items, in pages.

What C code does to a whole tuple, it does without letting other threads go on. To compare one of a hundred thousand
items with the next reading of the same list takes ten milliseconds, to free it takes five, and the event loop stands
still for as long. Of a page, either takes a tenth of a millisecond. And the collector of garbage looks once at all that
stands in a new page: so pages are not made anew without need.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Self, overload

from exporter.tasks.item import Item

PAGE = 1000
"""So many items stand in a page."""

Page = tuple[Item, ...]


class Items(Sequence[Item]):
    """Items in their order, for as long as nobody lets them go."""

    __slots__ = ("_length", "_pages")

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._pages: list[Page] = [*(items.pages if isinstance(items, Items) else _pages_of(items))]
        self._length = sum(map(len, self._pages))

    @classmethod
    def joined(cls, lists: Iterable[Iterable[Item]]) -> Self:
        """All of several lists, one after the other; one alone is not copied."""
        first, *others = [*lists] or [()]
        return cls(chain(first, *others) if others else first)

    @property
    def pages(self) -> Sequence[Page]:
        """As they stand now: who has them keeps their items from being freed."""
        return tuple(self._pages)

    def let_go(self) -> None:
        """Be empty. It is for a thread, and for a list that nobody reads any more: the items are freed page by page."""
        self._length = 0
        while self._pages:
            self._pages.pop()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        return chain.from_iterable(self._pages)

    @overload
    def __getitem__(self, at: int) -> Item: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Item]: ...

    def __getitem__(self, at: int | slice) -> Item | Sequence[Item]:
        if not isinstance(at, slice):
            place = range(self._length)[at]
            return self._pages[place // PAGE][place % PAGE]
        places = range(self._length)[at]
        if places.step != 1:
            return tuple(self[place] for place in places)
        first, last = places.start // PAGE, places.stop // PAGE + 1
        start = places.start % PAGE
        return tuple(islice(chain.from_iterable(self._pages[first:last]), start, start + len(places)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Items):
            return NotImplemented
        pages = zip(self._pages, other._pages, strict=False)
        return len(self) == len(other) and all(page == same for page, same in pages)

    __hash__ = None  # type: ignore[assignment] # as of any list

    def __repr__(self) -> str:
        return f"Items({len(self)})"


def _pages_of(items: Iterable[Item]) -> Iterator[Page]:
    rest = iter(items)
    return iter(lambda: tuple(islice(rest, PAGE)), ())
