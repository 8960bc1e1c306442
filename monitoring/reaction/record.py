"""What Prometheus gets to see of a life: one scrape a minute at most, as series in promtool's notation."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Final

from exporter.ledger.ledger import LedgerView
from exporter.metrics.counters import Counters
from exporter.metrics.family import Accumulated, Family, Histogram, Instantaneous
from exporter.metrics.gauges import gauges
from exporter.metrics.labelling import Labelling
from exporter.metrics.snapshot import BuildView, ConfigView, Snapshot, SourceView
from exporter.tasks.item import TaskLabels
from monitoring.reaction.life import ACCOUNT, TEAM, Books, Process
from monitoring.reaction.tasks import Kind

TARGET: Final = {"job": "bytespike-exporter", "instance": "exporter:9877"}
MECHANISM: Final = "http_sd"

Key = tuple[tuple[str, str], ...]
"""The labels of one series, its name among them."""


UNSEEN: Final = math.nan
"""What a series has at a minute without a scrape, as against None: a scrape that does not show it, or fails."""


class Record:
    """The scrapes of one life. ``wanted`` says which metrics are kept: those that a rule reads."""

    def __init__(self, kinds: Iterable[Kind], wanted: frozenset[str]) -> None:
        self._known = tuple(TaskLabels(ACCOUNT, kind.group, kind.model, TEAM) for kind in kinds)
        self._wanted = wanted
        self._columns: dict[Key, list[float | None]] = {}
        self._minutes = 0

    def scrape(self, process: Process | None, books: Books, *, refreshed_at: float, now: float) -> None:
        """One scrape, which fails where no process runs."""
        seen: dict[tuple[str, Key], float] = {("up", ()): float(process is not None)}
        if process is not None:
            seen[("process_start_time_seconds", ())] = process.started_at
            seen |= self._page(self._snapshot(process, books, refreshed_at, now), books)
        found = {_key(name, labels): value for (name, labels), value in seen.items() if name in self._wanted}
        for key in found.keys() - self._columns.keys():
            self._columns[key] = [None] * self._minutes
        for key, column in self._columns.items():
            column.append(found.get(key))
        self._minutes += 1

    def skip(self) -> None:
        """A minute without a scrape."""
        for column in self._columns.values():
            column.append(UNSEEN)
        self._minutes += 1

    def series(self) -> Iterator[Mapping[str, str]]:
        """The series as promtool reads them, one value a minute."""
        for key, column in self._columns.items():
            labels = dict(key)
            name = labels.pop("__name__")
            text = ", ".join(f'{label}="{value}"' for label, value in labels.items() if value)
            yield {"series": f"{name}{{{text}}}", "values": notation(column)}

    def _snapshot(self, process: Process, books: Books, refreshed_at: float, now: float) -> Snapshot:
        return Snapshot(
            process.census(now),
            BuildView("0", "0", "3"),
            label_names=tuple(name for name, _ in TEAM),
            known=self._known,
            totals=books.totals,
            accounts=(process.account(now),),
            ledger=LedgerView(last_commit_at=books.committed_at),
            sources=tuple(SourceView(labels.group, MECHANISM, refreshed_at) for labels in self._known),
            config=ConfigView(last_reload_success_at=process.started_at),
        )

    def _page(self, snapshot: Snapshot, books: Books) -> dict[tuple[str, Key], float]:
        """What the exporter's collector would show; the client library, which would write it, is too slow for days."""
        labelling = Labelling.of(snapshot)
        counted = Counters(labelling).of(snapshot)
        for series in counted.announced:
            books.totals.mark(series.family, series.labels)
        seen: dict[tuple[str, Key], float] = {}
        for family, amounts in counted.amounts.items():
            if not self._is_wanted(family):
                continue
            names = family.label_names(labelling.user)
            for values, amount in amounts.items():
                labels = tuple(zip(names, values, strict=True))
                seen |= {(name, (*labels, *more)): value for name, more, value in _samples(family, amount.numbers)}
        for gauge, points in gauges(snapshot, labelling, counted.label_sets).items():
            seen |= _points(gauge, labelling.user, points)
        return seen

    def _is_wanted(self, family: Family) -> bool:
        return any(name.startswith(family.name) for name in self._wanted)


def notation(column: Iterable[float | None]) -> str:
    """Values in promtool's notation. Where a series ends it is stale at once, as it is where a scrape fails."""
    parts: list[str] = []
    is_there = False
    for value, run in groupby(column):
        length = len(list(run))
        if value is None and is_there:
            parts.append("stale")
            length -= 1
        is_there = value is not None and (is_there or not math.isnan(value))
        if length:
            text = "_" if value is None or math.isnan(value) else f"{value:.12g}"
            parts.append(text + _times(text, length))
    return " ".join(parts)


def _times(text: str, length: int) -> str:
    """promtool counts what is missing, and of what is there the repetitions."""
    if text == "_":
        return f"x{length}"
    return f"x{length - 1}" if length > 1 else ""


def _samples(family: Accumulated, cells: Sequence[float]) -> Iterator[tuple[str, Key, float]]:
    if not isinstance(family, Histogram):
        yield family.name, (), cells[0]
        return
    bounds = [*(str(float(le)) for le in family.buckets), "+Inf"]
    for le, value in zip(bounds, accumulate(cells[:-1]), strict=True):
        yield f"{family.name}_bucket", (("le", le),), value
    yield f"{family.name}_count", (), sum(cells[:-1])
    yield f"{family.name}_sum", (), cells[-1]


def _points(
    gauge: Instantaneous, user: tuple[str, ...], points: Mapping[tuple[str, ...], float]
) -> dict[tuple[str, Key], float]:
    names = gauge.label_names(user)
    return {(gauge.name, tuple(zip(names, values, strict=True))): value for values, value in points.items()}


def _key(name: str, labels: Key) -> Key:
    return (("__name__", name), *TARGET.items(), *labels)
