"""One followed task, and who asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState


@dataclass(frozen=True, slots=True)
class Claim:
    """One source's wish that a task be followed; ``order`` tells which came first."""

    order: int
    source: str
    item: Item


@dataclass(frozen=True, slots=True)
class Turn:
    """A status that a task was seen to take, and when (Unix seconds)."""

    at: float
    status: Status


HISTORY = 16
"""So many turns of a task are remembered."""


@dataclass(slots=True, eq=False)
class Task:
    """One task, whatever it is called and however many sources name it.

    The first claim's labels hold for as long as it stands. A task without claims is not followed (any more);
    ``merged_into`` is the one that it turned out to be. ``number`` is greater than that of every task that was there
    before. ``history`` are the latest turns that this process has seen, oldest first.
    """

    state: TaskState
    claims: list[Claim]
    merged_into: Self | None = None
    number: int = 0
    history: tuple[Turn, ...] = ()

    @property
    def labels(self) -> TaskLabels:
        return self.claims[0].item.labels

    @property
    def is_followed(self) -> bool:
        return bool(self.claims)

    def turned(self, at: float) -> None:
        """Note the status that the task has now, if it is another than before."""
        if not self.history or self.history[-1].status is not self.state.status:
            self.history = (*self.history, Turn(at, self.state.status))[-HISTORY:]

    @property
    def survivor(self) -> "Task":
        """The task that this one turned out to be, or itself."""
        return self if self.merged_into is None else self.merged_into.survivor


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that the tasks live by (seconds); ``default_eta`` is by group."""

    retention: float = 86400.0
    not_found_grace: float = 120.0
    overdue_factor: float = 3.0
    listed_limit: int = 1000
    default_eta: Mapping[str, float] = field(default_factory=dict)
