"""What is to be made durable of one task."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from exporter.accounting.series import Exemplar, Increments, Series
from exporter.tasks.state import TaskState


@dataclass(frozen=True, slots=True)
class Count:
    """What is to be added once, and the exemplars to show for it when it has been."""

    increments: Increments
    exemplars: Mapping[Series, Exemplar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """The latest state of one task, and what is to be counted with it.

    ``started`` is counted unless the ledger already knows that the task ran, ``ended`` unless it knows its outcome.
    """

    state: TaskState
    started: Count | None = None
    ended: Count | None = None

    def followed_by(self, later: Self) -> Self:
        """The one entry that says what both say."""
        return replace(later, started=self.started or later.started, ended=self.ended or later.ended)


@dataclass(frozen=True, slots=True)
class Committed:
    """What a transaction really added: this much, and no more, may be shown."""

    increments: Increments
    exemplars: Mapping[Series, Exemplar]
