"""A followed task as everybody outside the tracker holds it: frozen, so that it stays true for what it was taken of."""

from dataclasses import dataclass

from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A status that a task was seen to take, and when (Unix seconds)."""

    at: float
    status: Status


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task at one instant.

    ``number`` is its identity in this process, greater than that of every task that was there before. ``sources`` are
    the names of those that ask for it, the one whose labels hold first. ``history`` are the latest changes of status
    that this process has seen, oldest first.
    """

    number: int
    labels: TaskLabels
    state: TaskState
    sources: tuple[str, ...]
    history: tuple[StatusChange, ...] = ()
