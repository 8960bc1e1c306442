"""The samples of the last hour in order of time: what is drawn in which column, and what ended in which time. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from exporter.metrics.history import GroupSample, Recent, Sample
from exporter.metrics.readings import Ended, added, quantile
from exporter.web.figures import Values

WINDOWS = (600.0, 1200.0, 1800.0, 3600.0)
"""What the pictures may span, in seconds: the smallest that holds everything, so that a new start is no sliver."""

NOW = 600.0
"""What is said of now is of so many last seconds."""

T = TypeVar("T")
Column = tuple[T, ...]
"""The samples of one column; none where none was taken."""


class Timeline:
    """The samples within the window, by time."""

    def __init__(self, recent: Recent) -> None:
        self.seconds = next((window for window in WINDOWS if window > recent.age), WINDOWS[-1])
        self.slots = round(self.seconds / recent.interval)
        self._first = recent.slot - self.slots + 1
        self.samples = [sample for sample in recent.samples if sample.slot >= self._first]
        self.latest = [sample for sample in self.samples if sample.slot > recent.slot - NOW / recent.interval]
        self.interval = recent.interval

    def columns(self, count: int, pick: Callable[[Sample], T | None]) -> list[Column[T]]:
        """What is picked of the samples of each column, oldest first."""
        columns: list[list[T]] = [[] for _ in range(count)]
        for sample in self.samples:
            if (picked := pick(sample)) is not None:
                columns[(sample.slot - self._first) * count // self.slots].append(picked)
        return [tuple(column) for column in columns]

    def rolling(self, number: Callable[["Done"], float | None]) -> Values:
        """A number of the time that ends with each slot and is as long as what is called now; none of an outage."""
        values: list[float | None] = [None] * self.slots
        length = NOW / self.interval
        for at, sample in enumerate(self.samples):
            until_now = [it for it in self.samples[: at + 1] if it.slot > sample.slot - length]
            done = None if sample.is_blind else done_in(totals(until_now))
            values[sample.slot - self._first] = number(done) if done else None
        return values


@dataclass(frozen=True, slots=True)
class Done:
    """What ended in so many seconds."""

    ended: Ended
    seconds: float

    @property
    def decided(self) -> float:
        return self.ended.completed + self.ended.failed

    @property
    def success(self) -> float | None:
        """Completed / completed and failed; what was cancelled or lost does not count."""
        return self.ended.completed / self.decided if self.decided else None

    @property
    def median(self) -> float | None:
        """The median duration (seconds) of what completed, as its buckets tell."""
        return quantile(0.5, self.ended.durations)

    def per(self, seconds: float, amount: float) -> float:
        """An amount of these seconds as one of others."""
        return amount * seconds / self.seconds


def done_in(samples: Iterable[tuple[GroupSample, float]]) -> Done | None:
    """What ended in all these samples; None where none of them can tell."""
    known = [(sample.ended, seconds) for sample, seconds in samples if sample.ended is not None and seconds > 0]
    return Done(added([ended for ended, _ in known]), sum(seconds for _, seconds in known)) if known else None


def totals(samples: Iterable[Sample]) -> Iterable[tuple[GroupSample, float]]:
    """All groups together, with the seconds of each sample."""
    return ((sample.total, sample.seconds) for sample in samples)


def rates(done: Sequence[Done | None], amount: Callable[[Ended], float], per: float) -> Values:
    """An amount of each column as one of so many seconds."""
    return [it.per(per, amount(it.ended)) if it else None for it in done]
