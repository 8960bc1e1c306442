"""The counters and histograms of a snapshot: the committed totals, fitted to what is configured and bucketed now."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter.accounting.series import SUM, VALUE, Exemplar, Labels, Series
from exporter.metrics.catalogue import BY_NAME, FAMILIES
from exporter.metrics.family import Accumulated, Counter, Histogram, Scope
from exporter.metrics.labelling import Labelling, LabelValues
from exporter.metrics.snapshot import Snapshot

Numbers = list[float]
"""A counter's value alone; or a histogram's counts by bucket, not cumulated, +Inf among them, and then its sum."""


Exemplars = Mapping[tuple[Accumulated, LabelValues], Mapping[int, Exemplar]]
"""The latest event of each number that has one: by family and label values, then by the number's position."""

ACCUMULATED = tuple(family for family in FAMILIES if isinstance(family, Accumulated))


class Cell(NamedTuple):
    """Where a stored series is added to: which family, which labels, which of their numbers."""

    family: Accumulated
    values: LabelValues
    position: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What has been counted, ready to be shown: by family, then by label values.

    ``label_sets`` are the sets of task labels that have series. One has all its aggregates as soon as a task or a total
    carries it, as if it had been known from the start: a rate must see its first event. ``announced`` are the stored
    series that count something and are at 0 here, for the same reason.
    """

    label_sets: tuple[LabelValues, ...]
    numbers: Mapping[Accumulated, Mapping[LabelValues, Numbers]]
    exemplars: Exemplars
    announced: tuple[Series, ...] = ()


class Counters:
    """Fits the totals of one snapshot after the other to a labelling, and remembers where each series belongs."""

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling
        self._cells = _Cells(labelling)

    def of(self, snapshot: Snapshot) -> Counted:
        """The totals as they are to be shown, each known label set from 0 on."""
        find, labelling = self._cells.find, self._labelling
        found = [(cell, series, amount) for series, amount in snapshot.totals.items() if (cell := find(series))]
        label_sets = _label_sets(snapshot, labelling, (cell for cell, _, _ in found))
        announced = tuple(series for cell, series, _ in found if _is_withheld(cell.family, series, snapshot.totals))
        withheld = frozenset(announced)
        owners = {**labelling.present, Scope.TASKS: label_sets}
        numbers = {family: _zeros(family, owners[family.scope]) for family in ACCUMULATED}
        for (family, values, position), series, amount in found:
            own = numbers[family].setdefault(values, [0.0] * family.cells)
            own[position] += 0.0 if series in withheld else amount
        exemplars = {series: each for series, each in snapshot.exemplars.items() if series not in withheld}
        return Counted(label_sets, numbers, _latest(exemplars, self._cells), announced)


class _Cells:
    """Finds the cells of stored series, each once; those of one histogram share their labels."""

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling
        self._fitted: dict[tuple[Accumulated, Labels], LabelValues] = {}
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
        values = self._values(family, series.labels)
        if position is None or not self._labelling.shows(family.scope, values):
            return None
        return Cell(family, values, position)

    def _values(self, family: Accumulated, labels: Labels) -> LabelValues:
        key = (family, labels)
        if key not in self._fitted:
            self._fitted[key] = self._labelling.values(family, labels)
        return self._fitted[key]


def _label_sets(snapshot: Snapshot, labelling: Labelling, cells: Iterable[Cell]) -> tuple[LabelValues, ...]:
    width = len(Scope.TASKS.label_names(labelling.user))
    found = {labelling.task_values(labels) for labels in snapshot.known}
    found |= {labelling.task_values(labels) for labels, _ in snapshot.census.counts}
    found |= {cell.values[:width] for cell in cells if cell.family.scope is Scope.TASKS}
    return tuple(sorted(values for values in found if labelling.shows(Scope.TASKS, values)))


def _is_withheld(family: Accumulated, series: Series, totals: Mapping[Series, float]) -> bool:
    return isinstance(family, Counter) and family.is_withheld(series.labels, totals)


def _latest(exemplars: Mapping[Series, Exemplar], cells: _Cells) -> Exemplars:
    latest: defaultdict[tuple[Accumulated, LabelValues], dict[int, Exemplar]] = defaultdict(dict)
    for series, exemplar in exemplars.items():
        cell = cells.find(series)
        if cell:
            own = latest[cell.family, cell.values]
            before = own.get(cell.position)
            if before is None or before.at <= exemplar.at:
                own[cell.position] = exemplar
    return latest


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


def _zeros(family: Accumulated, owners: Iterable[LabelValues]) -> dict[LabelValues, Numbers]:
    return {(*owner, *start): [0.0] * family.cells for owner in owners for start in family.starts}
