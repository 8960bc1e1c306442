"""Which tasks get series of their own: the first so many that are visible, for as long as they are.

They stand in pages. What a scrape is given is the pages themselves, so it costs the same however many tasks there are,
and whoever has seen a page before knows by its identity that nothing in it has changed.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import overload

from exporter.tasks.item import TaskLabels
from exporter.tasks.number_set import NumberSet
from exporter.tasks.state import TaskState

PAGE = 256
"""So many places are copied where one of them changes after a view: less than a microsecond's work."""

AT_ONCE = 500
"""So many tasks get a place, or lose it, in one step."""

Entry = tuple[TaskLabels, TaskState]
Page = Sequence[Entry | None]
"""A place that is free is None."""


@dataclass(frozen=True, slots=True, eq=False)
class Listed(Sequence[Entry]):
    """The listed tasks at one instant, for ever, and for any thread."""

    pages: tuple[Page, ...] = ()
    length: int = 0

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "Listed":
        """These, in as many pages as they need."""
        return cls(tuple(entries[at : at + PAGE] for at in range(0, len(entries), PAGE)), len(entries))

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entry in chain.from_iterable(self.pages) if entry is not None)

    @overload
    def __getitem__(self, at: int) -> Entry: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Entry]: ...

    def __getitem__(self, at: int | slice) -> Entry | Sequence[Entry]:
        return tuple(self)[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment] # as of any other sequence that is equal to a tuple


class Listing:
    """Gives places to visible tasks, known by their numbers; of those that find none free, the lowest is next.

    ``entry_of`` is asked for one that gets a place when nobody says what it is like.
    """

    def __init__(self, limit: int, entry_of: Callable[[int], Entry]) -> None:
        self._limit = limit
        self._entry_of = entry_of
        self._places: dict[int, int] = {}
        self._waiting = NumberSet()
        self._free: deque[int] = deque()
        self._pages: list[list[Entry | None]] = []
        self._is_shared: list[bool] = []
        self._end = 0

    @property
    def unlisted(self) -> int:
        """How many wait; none does where nothing is to be listed."""
        return len(self._waiting)

    def show(self, number: int, entry: Entry | None = None) -> None:
        """A task is visible, and now it is like this, or as ``entry_of`` says."""
        place = self._places.get(number)
        if place is not None:
            self._put(place, entry or self._entry_of(number))
        elif len(self._places) < self._limit and (not self._waiting or self._waiting.discard(number)):
            self._give_place(number, entry or self._entry_of(number))
        elif self._limit:
            self._waiting.add(number)

    def renew(self, number: int, entry: Entry) -> None:
        """A task is like this now; it is as visible as it was."""
        place = self._places.get(number)
        if place is not None:
            self._put(place, entry)

    def hide(self, number: int) -> None:
        """A task is not visible any more."""
        self._waiting.discard(number)
        place = self._places.pop(number, None)
        if place is not None:
            self._put(place, None)
            self._free.append(place)

    def resize(self, limit: int) -> None:
        """Let there be so many places. Where there were none, ``show`` is awaited; ``trim`` takes those beyond it."""
        self._limit = limit
        if not limit:
            self._waiting = NumberSet()
        self.trim(AT_ONCE)

    def trim(self, count: int) -> None:
        """Let so many of those at most that have a place beyond the limit wait for one: the last lose theirs first."""
        beyond = len(self._places) - self._limit
        for _ in range(min(count, beyond)):
            number, place = self._places.popitem()
            self._put(place, None)
            self._free.append(place)
            if self._limit:
                self._waiting.add(number)
        if 0 < beyond <= count and len(self._places) < self._end // 2:
            self._move_together()

    def _move_together(self) -> None:
        """Let those that have places stand in as few pages as they need."""
        entries = [self._pages[place // PAGE][place % PAGE] for place in self._places.values()]
        self._places = dict(zip(self._places, range(len(entries)), strict=True))
        self._pages = [entries[at : at + PAGE] for at in range(0, len(entries), PAGE)]
        self._is_shared, self._free, self._end = [False] * len(self._pages), deque(), len(entries)

    def view(self) -> Listed:
        """The listed tasks as they are now; some of those that wait get the places that have become free."""
        self.trim(AT_ONCE)
        for number in list(islice(self._waiting, max(0, min(AT_ONCE, self._limit - len(self._places))))):
            self._waiting.discard(number)
            self._give_place(number, self._entry_of(number))
        self._is_shared = [True] * len(self._pages)
        return Listed(tuple(self._pages), len(self._places))

    def _give_place(self, number: int, entry: Entry) -> None:
        """A new one stands behind the last one, until a page's worth of places is free."""
        if len(self._free) < PAGE:
            self._places[number] = self._append(entry)
        else:
            self._places[number] = place = self._free.popleft()
            self._put(place, entry)

    def _append(self, entry: Entry) -> int:
        place, self._end = self._end, self._end + 1
        if place % PAGE == 0:
            self._pages.append([entry])
            self._is_shared.append(False)
        else:
            self._own_page(place // PAGE).append(entry)
        return place

    def _put(self, place: int, entry: Entry | None) -> None:
        number = place // PAGE
        page = self._own_page(number) if self._is_shared[number] else self._pages[number]
        page[place % PAGE] = entry

    def _own_page(self, number: int) -> list[Entry | None]:
        """The page of that number, no view's."""
        if self._is_shared[number]:
            self._pages[number] = self._pages[number].copy()
            self._is_shared[number] = False
        return self._pages[number]
