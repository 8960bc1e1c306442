"""What answers say of a task: its status, one observation, and how it ended."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from exporter.tasks.identity import TaskRef


class Status(StrEnum):
    """The API's five statuses, and three for what it did not say.

    ``UNOBSERVED`` is a task that no answer has told of yet, ``UNKNOWN`` one whose status was not understood; both are
    polled on.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_FOUND = "not_found"
    UNOBSERVED = "unobserved"
    UNKNOWN = "unknown"

    __hash__ = str.__hash__  # as it is equal to its text; and each answer looks some up

    is_terminal: bool
    """Whether nothing follows this status; each answer asks some times, so it is no property."""

    is_awaited: bool
    """Whether an answer has shown the task so, and its end is still to come."""

    def __init__(self, text: str) -> None:
        self.is_terminal = text in ("completed", "failed", "cancelled", "not_found")
        self.is_awaited = not self.is_terminal and text != "unobserved"


# Looked up in its class, a member costs five times what a name of the module does, and each answer needs some.
RUNNING, COMPLETED = Status.RUNNING, Status.COMPLETED
UNKNOWN = Status.UNKNOWN

TERMINAL = frozenset(status for status in Status if status.is_terminal)


@dataclass(frozen=True, slots=True)
class Output:
    """One item of a completed task's ``output``."""

    type: str
    duration_seconds: float | None = None


class Said(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A record as it came, without the key that it was asked for with. It may hold signed URLs: no ``repr`` shows it.

    Two records that say the same are equal, however they were written.
    """

    text: bytes = b""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Said)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"Said({len(self.text)} bytes)"


UNSAID = Said()
"""Of what did not come as a record."""


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One record of ``POST /v1/tasks/query``; what the answer did not carry is None.

    ``said`` is the record as it came, for people to read; nothing is decided by it.
    One is made with every poll: as a struct it costs a sixth of a frozen dataclass.
    """

    status: Status
    task_id: str | None = None
    out_task_id: str | None = None
    estimated_credits: float | None = None
    estimated_seconds: float | None = None
    credits_used: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    outputs: tuple[Output, ...] = ()
    said: Said = UNSAID


class Outcome(msgspec.Struct, frozen=True, gc=False):
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
