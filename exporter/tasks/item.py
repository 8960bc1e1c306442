"""One task as a source names it."""

from dataclasses import dataclass

from exporter.tasks.identity import TaskRef
from exporter.tasks.labels import TaskLabels


@dataclass(frozen=True, slots=True)
class Item:
    """A task to follow: how it is named, how it is labelled and, where the source knows it, when it was submitted."""

    ref: TaskRef
    labels: TaskLabels
    submitted_at: float | None = None
