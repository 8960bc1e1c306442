"""The labels every aggregate of a task carries."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TaskLabels:
    """Account, group, model and the declared user labels (name and value, sorted by name)."""

    account: str
    group: str
    model: str = ""
    user: tuple[tuple[str, str], ...] = ()
