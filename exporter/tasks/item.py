"""What a source says of a task: its name, its labels, and when it was submitted."""

from dataclasses import dataclass

import msgspec

from exporter.tasks.identity import TaskRef


class TaskLabels(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """Account, group, model and the declared user labels (name and value, sorted by name).

    Many tasks have the same, and with each change of one they are looked for in some tables: the hash is kept.
    """

    account: str
    group: str
    model: str = ""
    user: tuple[tuple[str, str], ...] = ()


class Item(msgspec.Struct, frozen=True, gc=False):
    """A task to follow: how it is named, how it is labelled and, where the source knows it, when it was submitted.

    A list has one for each task: as structs, the collector of cyclic garbage does not walk over them.
    """

    ref: TaskRef
    labels: TaskLabels
    submitted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """One registered task; ``model`` and ``labels`` are its own, empty where the group's hold."""

    group: str
    ref: TaskRef
    registered_at: float
    model: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    submitted_at: float | None = None
