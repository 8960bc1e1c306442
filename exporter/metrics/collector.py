"""One snapshot as metric families, in the order of the catalogue; what the catalogue lacks cannot be shown."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as Shown

from exporter.accounting.series import Exemplar
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.family import Family, Type
from exporter.metrics.gauges import gauges
from exporter.metrics.limits import printable
from exporter.metrics.shape import Shape, Values
from exporter.metrics.snapshot import Snapshot
from exporter.metrics.totals import Cells, Place, Totals, totals

EXEMPLAR_LENGTH = 128
"""OpenMetrics allows an exemplar's labels so many characters, names included."""

Points = Mapping[Values, float]
Bucket = tuple[str, float] | tuple[str, float, Shown]


class SnapshotCollector(Collector):
    """Renders one snapshot. It keeps no state and may be used from any thread."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterator[Metric]:
        """Every family there can be, without samples: what ``name[]`` is looked up in."""
        for family in FAMILIES:
            yield _metric(family, self._snapshot.label_names)

    def collect(self) -> Iterator[Metric]:
        """Every family that has samples."""
        shape = Shape.of(self._snapshot)
        counted = totals(self._snapshot, shape)
        current = gauges(self._snapshot, shape, counted.tasks)
        for family in FAMILIES:
            metric = _metric(family, shape.user)
            _fill(metric, family, counted, current.get(family.name, {}))
            if metric.samples:
                yield metric


def _metric(family: Family, user: tuple[str, ...]) -> Metric:
    names = family.label_names(user)
    match family.type:
        case Type.COUNTER:
            return CounterMetricFamily(family.name, family.help, labels=names, unit=_unit(family))
        case Type.HISTOGRAM:
            return HistogramMetricFamily(family.name, family.help, labels=names, unit=_unit(family))
        case Type.INFO:
            return InfoMetricFamily(family.name.removesuffix("_info"), family.help, labels=names)
        case Type.GAUGE | Type.STATESET:
            # OpenMetrics would name the label of a state set after the family; ours is called ``status``.
            return GaugeMetricFamily(family.name, family.help, labels=names, unit=_unit(family))


def _unit(family: Family) -> str:
    """The unit for OpenMetrics, which wants it to be the last word of the name."""
    return family.unit if family.name.removesuffix("_total").endswith(f"_{family.unit}") else ""


def _fill(metric: Metric, family: Family, counted: Totals, current: Points) -> None:
    match metric:
        case CounterMetricFamily():
            for values, (value,) in _ordered(counted.cells[family.name]):
                metric.add_metric(values, value, exemplar=_exemplar(counted, family, values, 0))
        case HistogramMetricFamily():
            for values, cells in _ordered(counted.cells[family.name]):
                metric.add_metric(values, _buckets(counted, family, values, cells), cells[-1])
        case InfoMetricFamily():
            for values in current:
                metric.add_metric(values, {})
        case GaugeMetricFamily():
            for values, value in current.items():
                metric.add_metric(values, value)


def _ordered(cells: Mapping[Values, Cells]) -> Iterable[tuple[Values, Cells]]:
    return sorted(cells.items())


def _buckets(counted: Totals, family: Family, values: Values, cells: Cells) -> list[Bucket]:
    bounds = [*(str(float(le)) for le in family.buckets), "+Inf"]
    buckets: list[Bucket] = []
    for cell, (le, count) in enumerate(zip(bounds, accumulate(cells[:-1]), strict=True)):
        exemplar = _exemplar(counted, family, values, cell)
        buckets.append((le, count, exemplar) if exemplar else (le, count))
    return buckets


def _exemplar(counted: Totals, family: Family, values: Values, cell: int) -> Shown | None:
    exemplar = counted.exemplars.get(Place(family.name, values, cell))
    return _shown(exemplar) if exemplar is not None else None


def _shown(exemplar: Exemplar) -> Shown | None:
    task_id = printable(exemplar.task_id)
    if len("task_id") + len(task_id) > EXEMPLAR_LENGTH:
        return None
    return Shown({"task_id": task_id}, exemplar.value, exemplar.at)
