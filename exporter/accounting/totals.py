"""What has been added up so far: by tasks, and by the exporter about itself.

``Totals`` is what tasks have counted. It holds what is durable and nothing else, and may come to be shared with other
exporters. ``Meters`` is what this exporter counts of itself, which may be shown before it is durable. No series is in
both. Both live on the event loop; a view never changes and may go to any thread.
"""

from collections.abc import Callable, ItemsView, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import TypeVar

from exporter.accounting.paged import Paged
from exporter.accounting.series import Exemplar, Increments, Series

T = TypeVar("T")


class Totals:
    """The committed totals of tasks. No number is ever lower in a later view."""

    def __init__(self) -> None:
        self._numbers = Paged[Series, float]()
        self._exemplars = Paged[Series, Exemplar]()

    def load(self, numbers: Mapping[Series, float]) -> None:
        """Take the ledger's word for all of them. Exemplars stay."""
        self._numbers = Paged(numbers)

    def publish(self, increments: Mapping[Series, float], exemplars: Mapping[Series, Exemplar] | None = None) -> None:
        """Add what has just been committed."""
        numbers = self._numbers
        for series, by in increments.items():
            numbers[series] = numbers.get(series, 0.0) + by
        for series, exemplar in (exemplars or {}).items():
            self._exemplars[series] = exemplar

    def view(self) -> Mapping[Series, float]:
        """The numbers as they are now. Neither a view nor what is published after it costs a copy of them all."""
        return self._numbers.view()

    def exemplars(self) -> Mapping[Series, Exemplar]:
        """The latest event of each series that can show one; as cheap as ``view``."""
        return self._exemplars.view()


class Meters:
    """What the exporter counts of itself: durable, on its way in a batch, or waiting for the next one."""

    def __init__(self) -> None:
        self._committed: dict[Series, float] = {}
        self._taken = Increments()
        self._waiting = Increments()
        self._shown: dict[Series, float] = {}
        self._flushes: list[Callable[[Increments], None]] = []

    def flush_from(self, flush_into: Callable[[Increments], None]) -> None:
        """Let this one add what it has counted locally whenever what waits is looked at."""
        self._flushes.append(flush_into)

    def load(self, numbers: Mapping[Series, float]) -> None:
        """Start from what the ledger holds."""
        self._committed = dict(numbers)

    def add(self, increments: Mapping[Series, float]) -> None:
        """Count something; it waits for the next batch."""
        self._waiting.merge(increments)

    def take(self) -> Increments:
        """Everything that waits, for one batch, which is repeated until ``settle`` tells that it is durable."""
        if self._taken:
            raise RuntimeError("what was taken before is not settled")
        self._flush()
        self._taken, self._waiting = self._waiting, Increments()
        return self._taken

    def settle(self) -> None:
        """What was taken is durable."""
        for series, by in self._taken.items():
            self._committed[series] = self._committed.get(series, 0.0) + by
        self._taken = Increments()

    def view(self, *, live: bool) -> Mapping[Series, float]:
        """The durable numbers; with ``live``, what is not durable yet as well.

        A number that was once shown live stays until what is durable has caught up with it.
        """
        numbers = dict(self._committed)
        if live:
            self._show_what_waits()
        for series, shown in list(self._shown.items()):
            if shown <= numbers.get(series, 0.0):
                del self._shown[series]
            else:
                numbers[series] = shown
        return MappingProxyType(numbers)

    def _flush(self) -> None:
        for flush_into in self._flushes:
            flush_into(self._waiting)

    def _show_what_waits(self) -> None:
        self._flush()
        waiting = self._taken.copy()
        waiting.merge(self._waiting)
        for series, by in waiting.items():
            self._shown[series] = max(self._committed.get(series, 0.0) + by, self._shown.get(series, 0.0))


class Joined(Mapping[Series, T]):
    """Mappings without a series in common, as one, and without a copy of any."""

    def __init__(self, *parts: Mapping[Series, T]) -> None:
        self._parts = parts

    def __getitem__(self, series: Series) -> T:
        for part in self._parts:
            if series in part:
                return part[series]
        raise KeyError(series)

    def __iter__(self) -> Iterator[Series]:
        return chain(*self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def items(self) -> ItemsView[Series, T]:
        """Each series with its number, at the speed of the parts: it is what every scrape walks through."""
        return _JoinedItems(self, *(part.items() for part in self._parts))


class _JoinedItems(ItemsView[Series, T]):
    def __init__(self, joined: Joined[T], *parts: ItemsView[Series, T]) -> None:
        super().__init__(joined)
        self._parts = parts

    def __iter__(self) -> Iterator[tuple[Series, T]]:
        return chain(*self._parts)
