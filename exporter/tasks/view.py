"""A followed task as everybody but the tracker sees it: frozen at one instant, so it may be kept across any wait."""

import msgspec

from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState


class StatusChange(msgspec.Struct, frozen=True, gc=False):
    """A status that a task was seen to take, and when (Unix seconds)."""

    at: float
    status: Status


class Course(msgspec.Struct, frozen=True, gc=False):
    """Of a task what its next poll depends on: each poll asks for it, and hardly one for all that is known."""

    number: int
    labels: TaskLabels
    status: Status
    submitted_at: float
    eta_seconds: float | None


class TaskView(msgspec.Struct, frozen=True, gc=False):
    """One task. ``number`` is its identity in this process: greater than that of every task that was there before.

    ``sources`` name whoever asks for it, the first one first: its labels hold. ``since`` is when this process first saw
    its status, None where it has not; ``earlier`` are the statuses that it has seen before.
    """

    number: int
    labels: TaskLabels
    state: TaskState
    sources: tuple[str, ...] = ()
    earlier: tuple[StatusChange, ...] = ()
    since: float | None = None

    @property
    def history(self) -> tuple[StatusChange, ...]:
        """The latest status changes that this process has seen, oldest first; few of those that get a view ask."""
        return self.earlier if self.since is None else (*self.earlier, StatusChange(self.since, self.state.status))

    @property
    def course(self) -> Course:
        """What its next poll depends on."""
        state = self.state
        return Course(self.number, self.labels, state.status, state.submitted_at, state.eta_seconds)
