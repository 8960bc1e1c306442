"""One snapshot as metric families, in the order of the catalogue; what the catalogue lacks cannot be shown.

``labelling.py`` says which series there are, ``counters.py`` adds up what the totals hold of them, ``gauges.py`` reads
everything else. So the client library can write a page; ``page.py`` writes the same one without it, and that is what a
scrape usually gets.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ShownExemplar

from exporter.accounting.series import Exemplar
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.counters import Amount, Counted, Counters
from exporter.metrics.family import Accumulated, Counter, Family, Gauge, Histogram, Info, Instantaneous, StateSet
from exporter.metrics.gauges import Gauges, Points, gauges
from exporter.metrics.labelling import Labelling, printable
from exporter.metrics.snapshot import Snapshot

EXEMPLAR_LENGTH = 128
"""OpenMetrics allows an exemplar's labels so many characters, names included."""

Bucket = tuple[str, float] | tuple[str, float, ShownExemplar]


class SnapshotCollector(Collector):
    """Renders one snapshot. It changes nothing and may be used from any thread.

    ``announced`` are the stored series that it shows at 0, and that the next one may show with what they count.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._labelling = Labelling.of(snapshot)
        self._counted = Counters(self._labelling).of(snapshot)
        self.announced = self._counted.announced

    def describe(self) -> Iterator[Metric]:
        """Every family there can be, without samples: what ``name[]`` is looked up in."""
        return (bare(family, self._snapshot.label_names) for family in FAMILIES)

    def collect(self) -> Iterator[Metric]:
        """Every family that has samples."""
        counted, user = self._counted, self._labelling.user
        current = gauges(self._snapshot, self._labelling, counted.label_sets)
        metrics = (_metric(family, user, counted, current) for family in FAMILIES)
        return (metric for metric in metrics if metric.samples)


def _metric(family: Family, user: tuple[str, ...], counted: Counted, current: Gauges) -> Metric:
    names = family.label_names(user)
    match family:
        case Counter():
            return _counter(family, names, counted)
        case Histogram():
            return _histogram(family, names, counted)
        case Info():
            return _info(family, names, current[family])
        case Gauge() | StateSet():
            return _gauge(family, names, current[family])
        case _:
            raise TypeError(f"{family.name} is of no kind that can be shown")


def _counter(family: Counter, names: tuple[str, ...], counted: Counted) -> Metric:
    metric = CounterMetricFamily(family.name, family.help, labels=names, unit=_unit(family))
    for values, amount in counted.amounts[family].items():
        metric.add_metric(values, amount.numbers[0], exemplar=as_shown(amount.exemplars.get(0)))
    return metric


def _histogram(family: Histogram, names: tuple[str, ...], counted: Counted) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help, labels=names, unit=_unit(family))
    for values, amount in counted.amounts[family].items():
        metric.add_metric(values, _buckets(family, amount), amount.numbers[-1])
    return metric


def _info(family: Info, names: tuple[str, ...], points: Points) -> Metric:
    metric = InfoMetricFamily(family.name.removesuffix("_info"), family.help, labels=names)
    for values in points:
        metric.add_metric(values, {})
    return metric


def _gauge(family: Gauge | StateSet, names: tuple[str, ...], points: Points) -> Metric:
    # OpenMetrics would name the label of a state set after the family; ours is called ``status``.
    metric = GaugeMetricFamily(family.name, family.help, labels=names, unit=_unit(family))
    for values, value in points.items():
        metric.add_metric(values, value)
    return metric


def bare(family: Family, label_names: tuple[str, ...]) -> Metric:
    """A family without samples: what stands above them."""
    counted = Counted((), {family: {}} if isinstance(family, Accumulated) else {})
    return _metric(family, label_names, counted, {family: {}} if isinstance(family, Instantaneous) else {})


def _unit(family: Family) -> str:
    """The unit for OpenMetrics, which wants it to be the last word of the name."""
    return family.unit if family.name.removesuffix("_total").endswith(f"_{family.unit}") else ""


def _buckets(family: Histogram, amount: Amount) -> list[Bucket]:
    bounds = [*(str(float(le)) for le in family.buckets), "+Inf"]
    buckets: list[Bucket] = []
    for index, (le, count) in enumerate(zip(bounds, accumulate(amount.numbers[:-1]), strict=True)):
        exemplar = as_shown(amount.exemplars.get(index))
        buckets.append((le, count, exemplar) if exemplar else (le, count))
    return buckets


def as_shown(exemplar: Exemplar | None) -> ShownExemplar | None:
    """An exemplar as the client library has it; None for one that is longer than OpenMetrics allows."""
    if exemplar is None:
        return None
    task_id = printable(exemplar.task_id)
    if len("task_id") + len(task_id) > EXEMPLAR_LENGTH:
        return None
    return ShownExemplar({"task_id": task_id}, exemplar.value, exemplar.at)
