"""Where the stored series belong on a page, and in which series of the page something has changed since the last one.

Stored labels need not be those that are configured now: several stored series may make up one that is shown.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from msgspec import structs

from exporter.accounting.series import SHOWN, SUM, VALUE, Labels, Series
from exporter.metrics.catalogue import BY_NAME
from exporter.metrics.family import Accumulated, Histogram
from exporter.metrics.labelling import Labelling, LabelValues

Value = TypeVar("Value")


class Shown(NamedTuple):
    """One series of a page."""

    family: Accumulated
    values: LabelValues


class Cell(NamedTuple):
    """Where a stored series is added to: which series of the page, and which of its numbers."""

    shown: Shown
    position: int


class Cells:
    """Finds the cells of stored series, each once; those of one histogram share their labels."""

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling
        self._shown: dict[tuple[Accumulated, Labels], Shown] = {}
        self._found: dict[Series, Cell | None] = {}

    def find(self, series: Series) -> Cell | None:
        """Where a series belongs; None where the catalogue or the configuration does not have it any more."""
        if series not in self._found:
            self._found[series] = self._find(series)
        return self._found[series]

    def _find(self, series: Series) -> Cell | None:
        family = BY_NAME.get(series.family)
        if not isinstance(family, Accumulated):
            return None
        position = _position(family, series.part)
        shown = self._of(family, series.labels)
        if position is None or not self._labelling.shows(family.scope, shown.values):
            return None
        return Cell(shown, position)

    def _of(self, family: Accumulated, labels: Labels) -> Shown:
        key = (family, labels)
        if key not in self._shown:
            self._shown[key] = Shown(family, self._labelling.values(family, labels))
        return self._shown[key]


class Parts(Generic[Value]):
    """What stored series were at last, and of which of them each series of a page is made, by their positions."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self.latest: dict[Series, Value] = {}
        self.of: dict[Shown, dict[Series, int]] = {}

    def take(self, stored: Mapping[Series, Value]) -> dict[Shown, None]:
        """They are this now: the series of a page in which something has changed."""
        changed: dict[Shown, None] = {}
        latest = self.latest
        for series, value in stored.items():
            before = latest.get(series)
            if before is not value and before != value:
                latest[series] = value
                self._touch(series, changed)
        return changed

    def has_lost(self, stored: Mapping[Series, Value]) -> bool:
        """Whether there was something that was not among what has just been taken."""
        return len(self.latest) > len(stored)

    def _touch(self, series: Series, changed: dict[Shown, None]) -> None:
        cell = self._cells.find(series)
        if cell is not None:
            self.of.setdefault(cell.shown, {})[series] = cell.position
            changed[cell.shown] = None
        elif series.part == SHOWN:  # what has been shown at 0 counts from now on
            counter = self._cells.find(structs.replace(series, part=VALUE))
            if counter is not None:
                changed[counter.shown] = None


def _position(family: Accumulated, part: str) -> int | None:
    """Which number a part is added to. A bucket that the family no longer has is folded into the next larger one."""
    if not isinstance(family, Histogram):
        return 0 if part == VALUE else None
    if part == SUM:
        return family.cells - 1
    return _bucket_position(family, part.removeprefix("le:")) if part.startswith("le:") else None


def _bucket_position(family: Histogram, bound: str) -> int | None:
    try:
        le = float(bound)
    except ValueError:
        return None
    return None if math.isnan(le) else bisect_left(family.buckets, le)
