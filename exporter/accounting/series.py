"""Additive series: the one shape in which everything that counts is accumulated, stored and shown.

A counter is one part of a series (``""``); a histogram is its ``sum`` and one part for each bucket (``le:30``),
not cumulated, so that one observation touches two rows.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import msgspec

Labels = tuple[tuple[str, str], ...]
"""Label names and values, sorted by name."""

VALUE = ""
SUM = "sum"

SHARED = 10_000
"""So many series are remembered for the events that come next; the rest are made anew each time, to the same effect."""

SHOWN = "shown"
"""The part that tells that a series has been shown at 0 (see ``Counter.is_announced``)."""


def labels_of(**labels: str) -> Labels:
    """The labels in their canonical order."""
    return tuple(sorted(labels.items()))


@lru_cache(maxsize=SHARED)
def bucket(le: float) -> str:
    """The part that counts the observations of one bucket, named by its upper bound."""
    return f"le:{le:g}"


def is_part(text: str) -> bool:
    """Whether a part of any series has this name."""
    if text in {VALUE, SUM, SHOWN}:
        return True
    kind, _, bound = text.partition(":")
    try:
        return kind == "le" and float(bound) >= 0
    except ValueError:
        return False


class Series(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """One number that only grows: a family, its labels and the part of it.

    Its hash is asked for at every sum that it is added to: as a struct, it is reckoned once.
    """

    family: str
    labels: Labels
    part: str = VALUE


@lru_cache(maxsize=SHARED)
def shared(family: str, labels: Labels, part: str = VALUE) -> Series:
    """A series, the very object for every event of it: it is found in a sum by identity, and takes no room again."""
    return Series(family, labels, part)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """The task behind the latest event of a series."""

    value: float
    task_id: str
    at: float


class Increments(dict[Series, float]):
    """What is to be added to which series."""

    def count(self, family: str, labels: Labels, by: float = 1.0) -> Series:
        """Add to a counter; return the series it touched."""
        return self.add(shared(family, labels), by)

    def begin(self, family: str, labels: Labels, part: str = VALUE) -> Series:
        """Add nothing: the series is there from now on."""
        return self.add(shared(family, labels, part), 0.0)

    def mark(self, family: str, labels: Labels) -> Series:
        """Note that a counter has been shown at 0."""
        return self.add(shared(family, labels, SHOWN), 1.0)

    def observe(self, family: str, labels: Labels, value: float, buckets: Sequence[float]) -> Series:
        """Add one observation to a histogram whose upper bounds are ``buckets`` (ascending, without +Inf)."""
        self.add(shared(family, labels, SUM), value)
        at = bisect_left(buckets, value)
        le = buckets[at] if at < len(buckets) else float("inf")
        return self.add(shared(family, labels, bucket(le)), 1.0)

    def merge(self, other: Mapping[Series, float]) -> None:
        """Add everything of the other."""
        if not self:
            self.update(other)
            return
        so_far = self.get
        for series, by in other.items():
            self[series] = so_far(series, 0.0) + by

    def copy(self) -> Self:
        return type(self)(self)

    def families(self) -> Iterator[str]:
        """The names of the families touched."""
        return iter({series.family for series in self})

    def add(self, series: Series, by: float) -> Series:
        """Add to one series; return it."""
        self[series] = self.get(series, 0.0) + by
        return series


def summed(parts: Iterable[Mapping[Series, float]]) -> Increments:
    """What many events add up to, most of them in the same series.

    Each number is added to where it stands, so that a series is looked for once an event.
    """
    sums: dict[Series, list[float]] = {}
    for part in parts:
        for series, by in part.items():
            try:
                sums[series][0] += by
            except KeyError:
                sums[series] = [by]
    return Increments({series: amount for series, (amount,) in sums.items()})
