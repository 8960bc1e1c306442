"""The counters and histograms of a snapshot: the committed totals, fitted to what is configured and bucketed now."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter.accounting.series import SUM, VALUE, Exemplar, Labels, Series
from exporter.metrics.catalogue import BY_NAME, FAMILIES
from exporter.metrics.family import Family, Scope, Type
from exporter.metrics.shape import Shape, Values
from exporter.metrics.snapshot import Snapshot

Cells = list[float]
"""A counter's value alone; or a histogram's counts by bucket, not cumulated, +Inf among them, and then its sum."""


class Place(NamedTuple):
    """Where a stored series belongs on the page: which family, which labels, which of its cells."""

    family: str
    values: Values
    cell: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What has been counted, ready to be shown: by family, then by label values.

    ``tasks`` are the sets of task labels that have series. One has all its aggregates as soon as a task or a total
    carries it, as if it had been known from the start: a rate must see its first event.
    """

    tasks: tuple[Values, ...]
    cells: Mapping[str, Mapping[Values, Cells]]
    exemplars: Mapping[Place, Exemplar]


def totals(snapshot: Snapshot, shape: Shape) -> Totals:
    """The totals as they are to be shown, each known label set from 0 on."""
    places = _Places(shape)
    placed = [(place, amount) for series, amount in snapshot.totals.items() if (place := places.find(series))]
    tasks = _task_labels(snapshot, shape, (place for place, _ in placed))
    owners = {**shape.present, Scope.TASKS: tasks}
    cells = {family.name: _zeros(family, owners[family.scope]) for family in FAMILIES if family.type.is_counted}
    for (name, values, cell), amount in placed:
        cells[name].setdefault(values, [0.0] * _size(BY_NAME[name]))[cell] += amount
    return Totals(tasks, cells, _latest(snapshot.exemplars, places))


class _Places:
    """Finds the place of stored series; those of one histogram share their labels, which are fitted once."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._fitted: dict[tuple[str, Labels], Values] = {}

    def find(self, series: Series) -> Place | None:
        """Where a series belongs; None where the catalogue or the configuration does not have it any more."""
        family = BY_NAME.get(series.family)
        if family is None or not family.type.is_counted:
            return None
        values = self._fit(family, series.labels)
        cell = _cell(family, series.part)
        return (
            Place(family.name, values, cell) if cell is not None and self._shape.shows(family.scope, values) else None
        )

    def _fit(self, family: Family, labels: Labels) -> Values:
        key = (family.name, labels)
        if key not in self._fitted:
            self._fitted[key] = self._shape.fit(family, labels)
        return self._fitted[key]


def _task_labels(snapshot: Snapshot, shape: Shape, places: Iterable[Place]) -> tuple[Values, ...]:
    width = len(Scope.TASKS.label_names(shape.user))
    found = {shape.task_values(labels) for labels in snapshot.known}
    found |= {shape.task_values(labels) for labels, _ in snapshot.census.counts}
    found |= {place.values[:width] for place in places if BY_NAME[place.family].scope is Scope.TASKS}
    return tuple(sorted(values for values in found if shape.shows(Scope.TASKS, values)))


def _latest(exemplars: Mapping[Series, Exemplar], places: _Places) -> dict[Place, Exemplar]:
    latest: dict[Place, Exemplar] = {}
    for series, exemplar in exemplars.items():
        place = places.find(series)
        if place and (place not in latest or latest[place].at <= exemplar.at):
            latest[place] = exemplar
    return latest


def _cell(family: Family, part: str) -> int | None:
    """The cell of a part. A bucket that the family no longer has is folded into the next larger one."""
    if family.type is Type.COUNTER:
        return 0 if part == VALUE else None
    if part == SUM:
        return len(family.buckets) + 1
    return _bucket_cell(family, part.removeprefix("le:")) if part.startswith("le:") else None


def _bucket_cell(family: Family, bound: str) -> int | None:
    try:
        le = float(bound)
    except ValueError:
        return None
    return None if math.isnan(le) else bisect_left(family.buckets, le)


def _zeros(family: Family, owners: Iterable[Values]) -> dict[Values, Cells]:
    return {(*owner, *start): [0.0] * _size(family) for owner in owners for start in family.starts}


def _size(family: Family) -> int:
    return len(family.buckets) + 2 if family.type is Type.HISTOGRAM else 1
