"""How a task ended: everything that is counted of it, once."""

from dataclasses import dataclass

from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Output
from exporter.tasks.status import Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one task, as observed.

    ``duration`` is seconds from submission to the terminal observation, None where the submission is not known well
    enough (design §7). ``gap`` is seconds since the last observation before it: the error bound of the duration.
    ``eta_ratio`` is duration / estimated_seconds of a completed task. ``credits_estimated`` is the last estimate seen.
    """

    ref: TaskRef
    status: Status
    finished_at: float
    duration: float | None = None
    gap: float | None = None
    eta_ratio: float | None = None
    credits_used: float | None = None
    credits_estimated: float | None = None
    error_code: str | None = None
    outputs: tuple[Output, ...] = ()
