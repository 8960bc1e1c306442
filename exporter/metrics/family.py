"""What a family of metrics is: its name, kind, labels and everything else that can be said of it in advance.

Each kind is a type of its own, and only what a kind can do can be done with it: a counter counts, a histogram observes,
and the rest is read from what is so at the instant of a scrape.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from types import ModuleType
from typing import ClassVar

from exporter.accounting.local_histogram import LocalHistogram
from exporter.accounting.series import SHOWN, SUM, Increments, Labels, Series

TASK_LABELS = ("account", "group", "model")
"""The labels of every aggregate; the declared user labels follow them."""


class Type(StrEnum):
    """What kind of numbers a family holds, as the documentation calls it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"
    STATESET = "stateset"


class Stability(StrEnum):
    """How firm a family is: an experimental one may still change its name, labels or meaning in a minor release."""

    STABLE = "stable"
    EXPERIMENTAL = "experimental"


class Scope(StrEnum):
    """What a series of the family speaks of; its labels come first."""

    TASKS = "tasks"
    TASK = "task"
    ACCOUNT = "account"
    SOURCE = "source"
    PROXIED = "proxied"
    EXPORTER = "exporter"

    def label_names(self, user: tuple[str, ...]) -> tuple[str, ...]:
        """The labels that name one such thing, the declared user labels among them."""
        match self:
            case Scope.TASKS:
                return (*TASK_LABELS, *user)
            case Scope.TASK:
                return (*TASK_LABELS, *user, "task_id", "out_task_id")
            case Scope.ACCOUNT | Scope.PROXIED:
                return ("account",)
            case Scope.SOURCE:
                return ("group", "mechanism")
            case Scope.EXPORTER:
                return ()


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One family, declared once; it is one of the five kinds below.

    ``labels`` follow those of the scope. ``starts`` are the values of ``labels`` that are shown from the first scrape
    on, so that a rate sees the first event; ``later`` are those of a closed set that come with their first event.
    """

    type: ClassVar[Type]

    name: str
    scope: Scope = field(kw_only=True)
    help: str = field(kw_only=True)
    labels: tuple[str, ...] = field(default=(), kw_only=True)
    unit: str = field(default="", kw_only=True)
    stability: Stability = field(default=Stability.STABLE, kw_only=True)
    starts: tuple[tuple[str, ...], ...] = field(default=(), kw_only=True)
    later: tuple[tuple[str, ...], ...] = field(default=(), kw_only=True)

    def label_names(self, user: tuple[str, ...] = ()) -> tuple[str, ...]:
        """All labels of its series, in the order in which this project lists their values."""
        return self.scope.label_names(user) + self.labels

    @property
    def samples(self) -> int:
        """How many lines of a page one of its series takes."""
        return 1

    @property
    def lines(self) -> int:
        """How many lines one thing of its scope takes at most; of an ``error_code`` only ``starts`` are counted."""
        return max(1, len(self.starts) + len(self.later)) * self.samples


@dataclass(frozen=True, slots=True, eq=False)
class Accumulated(Family):
    """A family whose numbers are added up, and so come from the committed totals."""

    @property
    def cells(self) -> int:
        """How many numbers are added up for one of its series."""
        return 1


@dataclass(frozen=True, slots=True, eq=False)
class Counter(Accumulated):
    """A number of events, or an amount that they add up to.

    Of one that ``is_announced``, a series that nobody could foresee is shown at 0 by one scrape before it is shown with
    what it counts: what begins at 8 has, for Prometheus, not increased.
    """

    type = Type.COUNTER

    is_announced: bool = field(default=False, kw_only=True)

    def count(self, increments: Increments, labels: Labels, by: float = 1.0) -> Series:
        """Add to one series; return it."""
        return increments.count(self.name, labels, by)

    def begin(self, increments: Increments, labels: Labels) -> None:
        """Let a series be there from now on, at 0 unless it counts already."""
        increments.begin(self.name, labels)

    def is_withheld(self, labels: Labels, totals: Mapping[Series, float]) -> bool:
        """Whether a series has still to be shown at 0, by what the totals say of it."""
        if not self.is_announced or Series(self.name, labels, SHOWN) in totals:
            return False
        given = dict(labels)
        return tuple(given.get(name, "") for name in self.labels) not in self.starts


@dataclass(frozen=True, slots=True, eq=False)
class Histogram(Accumulated):
    """Observations by size. ``buckets`` are ascending upper bounds without +Inf."""

    type = Type.HISTOGRAM

    buckets: tuple[float, ...] = field(kw_only=True)

    def observe(self, increments: Increments, labels: Labels, value: float) -> Series:
        """Add one observation; return the bucket that it fell into."""
        return increments.observe(self.name, labels, value, self.buckets)

    def local(self, labels: Labels) -> LocalHistogram:
        """Where observations of one series are counted until they are flushed, all together."""
        return LocalHistogram(self.name, labels, self.buckets)

    def begin(self, increments: Increments, labels: Labels) -> None:
        """Let a series be there from now on, without observations unless it has some already."""
        increments.begin(self.name, labels, SUM)

    @property
    def cells(self) -> int:
        """A count for each bucket, +Inf among them, and the sum."""
        return len(self.buckets) + 2

    @property
    def samples(self) -> int:
        """A line for each bucket, +Inf among them, the sum and the count."""
        return len(self.buckets) + 3


@dataclass(frozen=True, slots=True, eq=False)
class Instantaneous(Family):
    """A family that tells what is so at the instant of a scrape, and remembers nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Gauge(Instantaneous):
    """A number that goes up and down."""

    type = Type.GAUGE


@dataclass(frozen=True, slots=True, eq=False)
class Info(Instantaneous):
    """Always 1: what it tells stands in its labels."""

    type = Type.INFO


@dataclass(frozen=True, slots=True, eq=False)
class StateSet(Instantaneous):
    """One series for each state, of which exactly one is 1."""

    type = Type.STATESET


def each(*values: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Every combination of the values of several labels."""
    return tuple(product(*(map(str, options) for options in values)))


def declared(module: ModuleType) -> tuple[Family, ...]:
    """The families that a module declares, in their order there."""
    return tuple(value for value in vars(module).values() if isinstance(value, Family))
