"""What may be asked of Prometheus: the series that there are, each with its labels and its kind."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.family import Family, Scope, Type

TARGET_LABELS = frozenset({"job", "instance"})
"""What Prometheus gives to every series that it scrapes."""


@dataclass(frozen=True, slots=True)
class Series:
    """One name that can be queried. ``family`` is the catalogue's name for it, or empty."""

    name: str
    labels: frozenset[str]
    is_counter: bool
    family: str = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All names that can be queried."""

    series: Mapping[str, Series]

    @classmethod
    def of_exporter(cls, *, user_labels: Iterable[str] = ()) -> "Vocabulary":
        """What one scraped exporter brings into Prometheus, and what Prometheus adds by itself."""
        found = (*_catalogue(tuple(user_labels)), *_standard(), *_prometheus())
        return cls(MappingProxyType({series.name: series for series in found}))

    def with_series(self, name: str, labels: Iterable[str], *, is_counter: bool = False) -> "Vocabulary":
        """The same and one more, as a recording rule makes it."""
        series = Series(name, frozenset(labels), is_counter=is_counter)
        return replace(self, series=MappingProxyType({**self.series, name: series}))


def _catalogue(user_labels: tuple[str, ...]) -> Iterator[Series]:
    for family in FAMILIES:
        user = user_labels if family.scope in (Scope.TASKS, Scope.TASK) else ()
        labels = TARGET_LABELS | set(family.label_names(user))
        yield from _samples(family, labels)


def _samples(family: Family, labels: frozenset[str]) -> Iterator[Series]:
    if family.type is Type.HISTOGRAM:
        yield Series(f"{family.name}_bucket", labels | {"le"}, is_counter=True, family=family.name)
        yield Series(f"{family.name}_sum", labels, is_counter=True, family=family.name)
        yield Series(f"{family.name}_count", labels, is_counter=True, family=family.name)
    else:
        yield Series(family.name, labels, is_counter=family.type is Type.COUNTER, family=family.name)


def _standard() -> Iterator[Series]:
    """The process and Python families, as the client library gives them here."""
    unused = CollectorRegistry()
    collectors: tuple[Collector, ...] = (ProcessCollector(registry=unused), PlatformCollector(registry=unused))
    for collector in (*collectors, GCCollector(registry=unused)):
        for metric in collector.collect():
            for sample in metric.samples:
                labels = TARGET_LABELS | set(sample.labels)
                yield Series(sample.name, labels, is_counter=metric.type == "counter")


def _prometheus() -> Iterator[Series]:
    for name in ("up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added"):
        yield Series(name, TARGET_LABELS, is_counter=False)
    tasks = frozenset(label for family in FAMILIES for label in family.label_names())
    alerts = TARGET_LABELS | tasks | {"alertname", "alertstate", "severity"}
    yield Series("ALERTS", alerts, is_counter=False)
    yield Series("ALERTS_FOR_STATE", alerts, is_counter=False)
