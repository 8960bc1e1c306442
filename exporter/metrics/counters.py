"""The counters and histograms of a snapshot: the committed totals, fitted to what is configured and bucketed now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from exporter.accounting.series import Exemplar, Series
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.cells import Cells, Parts, Shown
from exporter.metrics.family import Accumulated, Counter, Scope
from exporter.metrics.labelling import Labelling, LabelValues
from exporter.metrics.snapshot import Snapshot

ACCUMULATED = tuple(family for family in FAMILIES if isinstance(family, Accumulated))


class Amount(NamedTuple):
    """What one series shows: a counter's value alone; or a histogram's counts by bucket, not cumulated, +Inf among
    them, and then its sum. ``exemplars`` are the latest events, by the position of the number that they belong to.
    """

    numbers: tuple[float, ...]
    exemplars: Mapping[int, Exemplar] = MappingProxyType({})


Amounts = Mapping[Accumulated, Mapping[LabelValues, Amount]]


@dataclass(frozen=True, slots=True)
class Counted:
    """What has been counted, ready to be shown: by family, then by label values, in their order.

    ``label_sets`` are the sets of task labels that have series. One has all its aggregates as soon as a task or a total
    carries it, as if it had been known from the start: a rate must see its first event. ``announced`` are the stored
    series that count something and are at 0 here, for the same reason.
    """

    label_sets: tuple[LabelValues, ...]
    amounts: Amounts
    announced: tuple[Series, ...] = ()


class Counters:
    """Fits the totals of one snapshot after the other to a labelling. What has not changed is not added up again: a
    family that is as it was is the very mapping that it was.
    """

    _totals: Parts[float]
    _exemplars: Parts[Exemplar]
    _carried: set[LabelValues]
    _label_sets: tuple[LabelValues, ...] | None
    _amounts: dict[Accumulated, Mapping[LabelValues, Amount]]
    _withheld: dict[Series, None]

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling
        self._width = len(Scope.TASKS.label_names(labelling.user))
        self._forget()

    def of(self, snapshot: Snapshot) -> Counted:
        """The totals as they are to be shown, each known label set from 0 on."""
        changed = self._take(snapshot)
        if self._totals.has_lost(snapshot.totals) or self._exemplars.has_lost(snapshot.exemplars):
            self._forget()
            changed = self._take(snapshot)
        label_sets = self._label_sets_of(snapshot)
        if label_sets != self._label_sets:
            self._label_sets, changed = label_sets, dict.fromkeys(self._totals.of)
            owners = {**self._labelling.present, Scope.TASKS: label_sets}
            self._amounts = {family: _zeros(family, owners[family.scope]) for family in ACCUMULATED}
        self._add_up(changed, snapshot.totals)
        return Counted(label_sets, dict(self._amounts), tuple(self._withheld))

    def _forget(self) -> None:
        cells = Cells(self._labelling)
        self._totals, self._exemplars = Parts(cells), Parts(cells)
        self._carried, self._label_sets = set(), None
        self._amounts, self._withheld = {}, {}

    def _take(self, snapshot: Snapshot) -> dict[Shown, None]:
        """Note what there is now; return the series that show something else than before."""
        touched = self._totals.take(snapshot.totals) | self._exemplars.take(snapshot.exemplars)
        changed = {shown: None for shown in touched if shown in self._totals.of}
        self._carried.update(values[: self._width] for family, values in changed if family.scope is Scope.TASKS)
        return changed

    def _label_sets_of(self, snapshot: Snapshot) -> tuple[LabelValues, ...]:
        in_census = {labels for labels, _ in snapshot.census.counts}
        found = self._carried.union(map(self._labelling.task_values, in_census.union(snapshot.known)))
        return tuple(sorted(values for values in found if self._labelling.shows(Scope.TASKS, values)))

    def _add_up(self, changed: Iterable[Shown], totals: Mapping[Series, float]) -> None:
        fresh: defaultdict[Accumulated, dict[LabelValues, Amount]] = defaultdict(dict)
        for shown in changed:
            fresh[shown.family][shown.values] = self._amount(shown, totals)
        for family, amounts in fresh.items():
            before = self._amounts[family]
            together = {**before, **amounts}
            self._amounts[family] = together if len(together) == len(before) else dict(sorted(together.items()))

    def _amount(self, shown: Shown, totals: Mapping[Series, float]) -> Amount:
        numbers = [0.0] * shown.family.cells
        for series, position in self._totals.of[shown].items():
            numbers[position] += self._counted(shown.family, series, totals)
        exemplars: dict[int, Exemplar] = {}
        for series, position in self._exemplars.of.get(shown, {}).items():
            exemplar = self._exemplars.latest[series]
            is_latest = position not in exemplars or exemplars[position].at <= exemplar.at
            if is_latest and series not in self._withheld:
                exemplars[position] = exemplar
        return Amount(tuple(numbers), exemplars)

    def _counted(self, family: Accumulated, series: Series, totals: Mapping[Series, float]) -> float:
        """What a stored series counts by now: nothing until it has been shown at 0."""
        if isinstance(family, Counter) and family.is_withheld(series.labels, totals):
            self._withheld[series] = None
            return 0.0
        self._withheld.pop(series, None)
        return self._totals.latest[series]


def _zeros(family: Accumulated, owners: Iterable[LabelValues]) -> Mapping[LabelValues, Amount]:
    zero = Amount((0.0,) * family.cells)
    return dict.fromkeys(sorted((*owner, *start) for owner in owners for start in family.starts), zero)
