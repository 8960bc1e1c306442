"""The states a followed task can be in."""

from enum import StrEnum


class Status(StrEnum):
    """The API's five statuses, and two for what it did not say.

    ``UNKNOWN`` is a task that no answer has named a known status for (yet); it is polled on.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows this status."""
        return self in TERMINAL


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.NOT_FOUND})
