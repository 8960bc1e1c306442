"""How an inquiry says how it went: one exit code for however many tasks."""

from collections.abc import Iterable
from enum import IntEnum

from exporter.inquiry.inquiry import Finding
from exporter.tasks.observation import Status


class Outcome(IntEnum):
    """The exit codes of ``query``, beside those that all commands share; the last three with ``--wait`` alone."""

    FOUND = 0
    NOT_FOUND = 4
    QUERY_FAILED = 5
    FAILED = 6
    CANCELLED = 7
    STILL_OPEN = 8


BY_WEIGHT = (
    Outcome.QUERY_FAILED,
    Outcome.NOT_FOUND,
    Outcome.FAILED,
    Outcome.CANCELLED,
    Outcome.STILL_OPEN,
    Outcome.FOUND,
)
"""The first of these that any task came to is the exit code of all."""


def outcome_of(findings: Iterable[Finding], *, waited: bool) -> Outcome:
    """What all of them came to. ``waited``: their end was asked for, so how they ended counts."""
    return min((_one(found, waited=waited) for found in findings), key=BY_WEIGHT.index)


def _one(found: Finding, *, waited: bool) -> Outcome:
    if found.error is not None:
        return Outcome.QUERY_FAILED
    if found.is_unknown:
        return Outcome.NOT_FOUND
    if not waited:
        return Outcome.FOUND
    ends = {
        Status.COMPLETED: Outcome.FOUND,
        Status.FAILED: Outcome.FAILED,
        Status.CANCELLED: Outcome.CANCELLED,
    }
    return ends.get(found.state.status, Outcome.STILL_OPEN)
