"""A mapping that only grows, of which a view costs as little as what changes after it."""

from collections.abc import ItemsView, Iterator, Mapping, Sequence
from itertools import chain, count, islice
from types import MappingProxyType
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

PAGE = 256
"""So many values are copied where one of them changes after a view: less than a microsecond's work."""


class Paged(Mapping[K, V]):
    """Keys in the order in which they came; none ever goes.

    Values stand in pages. A page that a view may hold is copied before one of its values changes, and no other is: to
    copy all of a hundred thousand at each change after a scrape would stop the event loop for milliseconds.
    """

    def __init__(self, items: Mapping[K, V] = MappingProxyType({})) -> None:
        self._keys = list(items)
        self._places = dict(zip(self._keys, count()))
        values = list(items.values())
        self._pages = [values[at : at + PAGE] for at in range(0, len(values), PAGE)]
        self._is_shared = [False] * len(self._pages)

    def __getitem__(self, key: K) -> V:
        place = self._places[key]
        return self._pages[place // PAGE][place % PAGE]

    def __setitem__(self, key: K, value: V) -> None:
        place = self._places.get(key)
        if place is None:
            self._append(key, value)
        else:
            self._own_page(place // PAGE)[place % PAGE] = value

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def view(self) -> Mapping[K, V]:
        """What it is now, for ever, and for any thread."""
        self._is_shared = [True] * len(self._pages)
        return _View(self._places, self._keys, tuple(self._pages), len(self._keys))

    def _append(self, key: K, value: V) -> None:
        place = len(self._keys)
        if place % PAGE == 0:
            self._pages.append([])
            self._is_shared.append(False)
        self._own_page(place // PAGE).append(value)
        self._keys.append(key)
        self._places[key] = place

    def _own_page(self, number: int) -> list[V]:
        if self._is_shared[number]:
            self._pages[number] = self._pages[number].copy()
            self._is_shared[number] = False
        return self._pages[number]


class _View(Mapping[K, V]):
    """The first so many keys, of which there may come more behind them, and the values that they had."""

    def __init__(self, places: Mapping[K, int], keys: Sequence[K], pages: Sequence[Sequence[V]], length: int) -> None:
        self._places = places
        self._keys = keys
        self._pages = pages
        self._length = length

    def __getitem__(self, key: K) -> V:
        place = self._places[key]
        if place >= self._length:
            raise KeyError(key)
        return self._pages[place // PAGE][place % PAGE]

    def __iter__(self) -> Iterator[K]:
        return islice(self._keys, self._length)

    def __len__(self) -> int:
        return self._length

    def items(self) -> ItemsView[K, V]:
        """Each key with its value, without a look at where it stands."""
        return _ViewItems(self, self._keys, self._pages)


class _ViewItems(ItemsView[K, V]):
    def __init__(self, view: Mapping[K, V], keys: Sequence[K], pages: Sequence[Sequence[V]]) -> None:
        super().__init__(view)
        self._keys = keys
        self._pages = pages

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return zip(self._keys, chain.from_iterable(self._pages), strict=False)  # of keys, there may be more by now
