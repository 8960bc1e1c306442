"""One histogram series counted in plain numbers until it is flushed: for what happens with every poll.

An observation costs a bisection and two additions here; as increments it costs a dozen hashes of labels.
"""

from bisect import bisect_left
from collections.abc import Sequence

from exporter.accounting.series import SUM, Increments, Labels, Series, bucket


class LocalHistogram:
    """What one histogram series has observed since it was last flushed."""

    __slots__ = ("_buckets", "_counts", "_series", "_sum", "_sum_series")

    def __init__(self, family: str, labels: Labels, buckets: Sequence[float]) -> None:
        self._buckets = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0
        self._series = [Series(family, labels, bucket(le)) for le in (*buckets, float("inf"))]
        self._sum_series = Series(family, labels, SUM)

    def observe(self, value: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._buckets, value)] += 1
        self._sum += value

    def flush_into(self, increments: Increments) -> int:
        """Add what was observed to these increments, start again from nothing, and say how many observations it was."""
        total = sum(self._counts)
        if total:
            increments.add(self._sum_series, self._sum)
            for series, count in zip(self._series, self._counts, strict=True):
                if count:
                    increments.add(series, float(count))
            self._counts = [0] * len(self._counts)
            self._sum = 0.0
        return total
