"""A task that somebody asked one group to follow, outside of any list."""

from dataclasses import dataclass

from exporter.tasks.identity import TaskRef


@dataclass(frozen=True, slots=True)
class Registration:
    """One registered task; ``model`` and ``labels`` are its own, empty where the group's hold."""

    group: str
    ref: TaskRef
    registered_at: float
    model: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    submitted_at: float | None = None
