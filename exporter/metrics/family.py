"""What a family of metrics is: its name, type, labels and everything else that can be said of it in advance."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

TASK_LABELS = ("account", "group", "model")
"""The labels of every aggregate; the declared user labels follow them."""


class Type(StrEnum):
    """What kind of numbers a family holds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"
    STATESET = "stateset"

    @property
    def is_counted(self) -> bool:
        """Whether its numbers are added up, and so come from the committed totals."""
        return self in (Type.COUNTER, Type.HISTOGRAM)


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
    EXPORTER = "exporter"

    def label_names(self, user: tuple[str, ...]) -> tuple[str, ...]:
        """The labels that name one such thing, the declared user labels among them."""
        match self:
            case Scope.TASKS:
                return (*TASK_LABELS, *user)
            case Scope.TASK:
                return (*TASK_LABELS, *user, "task_id", "out_task_id")
            case Scope.ACCOUNT:
                return ("account",)
            case Scope.SOURCE:
                return ("group", "mechanism")
            case Scope.EXPORTER:
                return ()


@dataclass(frozen=True, slots=True)
class Family:
    """One family, declared once.

    ``labels`` follow those of the scope. ``starts`` are the values of ``labels`` that are shown from the first scrape
    on, so that a rate sees the first event. ``buckets`` are ascending upper bounds without +Inf.
    """

    name: str
    type: Type
    scope: Scope
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    stability: Stability = Stability.STABLE
    buckets: tuple[float, ...] = ()
    starts: tuple[tuple[str, ...], ...] = ()

    def label_names(self, user: tuple[str, ...] = ()) -> tuple[str, ...]:
        """All labels of its series, in the order in which this project lists their values."""
        return self.scope.label_names(user) + self.labels


def each(*values: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Every combination of the values of several labels."""
    return tuple(product(*(map(str, options) for options in values)))
