"""A scraped page, to be asked for numbers."""

from collections.abc import Iterator, Mapping
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

GROWING = {"counter", "histogram"}


class Scraped:
    """The samples of one scrape of /metrics."""

    def __init__(self, text: str) -> None:
        self._families = list(text_string_to_metric_families(text))

    @classmethod
    def of(cls, url: str, *, headers: Mapping[str, str] | None = None) -> Self:
        """Scrape a running exporter."""
        response = httpx.get(f"{url}/metrics", timeout=30, headers=headers)
        response.raise_for_status()
        return cls(response.text)

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """The samples of that name that carry these labels."""
        return [
            sample
            for family in self._families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def sum(self, name: str, **labels: str) -> float:
        return sum(sample.value for sample in self.samples(name, **labels))

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The sums by the values of one label, those that are not 0."""
        sums: dict[str, float] = {}
        for sample in self.samples(name, **labels):
            sums[sample.labels[label]] = sums.get(sample.labels[label], 0.0) + sample.value
        return {value: total for value, total in sums.items() if total}

    def growing(self) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every number of this exporter's own counters and histograms."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self._families
            if family.type in GROWING and family.name.startswith("bytespike_")
            for sample in family.samples
        }

    def __iter__(self) -> Iterator[Sample]:
        return (sample for family in self._families for sample in family.samples)
