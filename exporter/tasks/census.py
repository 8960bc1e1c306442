"""The followed tasks at one instant, added up by their labels."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.tasks.labels import TaskLabels
from exporter.tasks.state import TaskState
from exporter.tasks.status import Status


@dataclass(frozen=True, slots=True)
class Census:
    """What the gauges of the tasks show; every mapping leaves out what is zero or absent.

    ``oldest`` is the submission (Unix seconds) of the oldest pending and running task. ``listed`` are the tasks that
    get series of their own, ``unlisted`` how many did not fit. ``duplicates`` are tasks named more than once.
    """

    at: float
    counts: Mapping[tuple[TaskLabels, Status], int]
    outstanding_credits: Mapping[TaskLabels, float]
    overdue: Mapping[TaskLabels, int]
    oldest: Mapping[tuple[TaskLabels, Status], float]
    listed: tuple[tuple[TaskLabels, TaskState], ...] = ()
    unlisted: int = 0
    duplicates: int = 0
