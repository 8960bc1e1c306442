"""From many rows of tasks to their states at once: nearly every row says what it can, and columns are soon looked at.

Where one may not, all are read one after the other, which finds it.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from exporter.ledger.rows import (
    OPEN_STATUSES,
    SUBMISSIONS,
    TERMINAL_STATUSES,
    Row,
    checked,
    state_of_open,
    state_of_outcome,
)
from exporter.tasks.identity import TaskRef
from exporter.tasks.state import TaskState

Column = Sequence[Any]

_TEXT = frozenset({str})
_NUMBER = frozenset({float})
_OR_NONE = frozenset({type(None)})


def states_of_open(rows: Sequence[Row]) -> list[TaskState]:
    """What rows of ``open_tasks`` keep, as ``state_of_open``; raises DamagedRowError."""
    try:
        return _open_at_once(rows)
    except (ValueError, KeyError):
        return [checked("open_tasks", row, state_of_open) for row in rows]


def states_of_outcomes(rows: Sequence[Row]) -> list[TaskState]:
    """What rows of ``outcomes`` keep, as ``state_of_outcome``; raises DamagedRowError."""
    try:
        return _outcomes_at_once(rows)
    except (ValueError, KeyError):
        return [checked("outcomes", row, state_of_outcome) for row in rows]


def _open_at_once(rows: Sequence[Row]) -> list[TaskState]:
    """KeyError or ValueError where a row may not be as it should, or there is none."""
    (
        _, account, own, other, status, submission, seen, submitted, eta, estimated, observed, open_, running, *_
    ) = zip(*rows, strict=True)  # fmt: skip
    states = map(
        TaskState,
        *_begun(account, own, other, seen, submitted, submission),
        map(OPEN_STATUSES.__getitem__, status),
        *(_numbers(column, _NUMBER | _OR_NONE) for column in (observed, open_, running, eta, estimated)),
    )
    return [*states]


def _outcomes_at_once(rows: Sequence[Row]) -> list[TaskState]:
    """The same."""
    (
        _, account, own, other, status, submission, seen, submitted, eta, estimated, finished, duration, used, error, *_
    ) = zip(*rows, strict=True)  # fmt: skip
    unsaid = [None] * len(rows)
    states = map(
        TaskState,
        *_begun(account, own, other, seen, submitted, submission),
        map(TERMINAL_STATUSES.__getitem__, status),
        *(unsaid, unsaid, unsaid),
        *(_numbers(column, _NUMBER | _OR_NONE) for column in (eta, estimated, used)),
        _all(error, _TEXT | _OR_NONE),
        _numbers(finished, _NUMBER),
        _numbers(duration, _NUMBER | _OR_NONE),
    )
    return [*states]


def _begun(
    account: Column, own: Column, other: Column, seen: Column, submitted: Column, submission: Column
) -> tuple[Iterable[Any], ...]:
    """What both tables say of a task first: its names, and when it began."""
    return (
        map(TaskRef, _all(account, _TEXT), _all(own, _TEXT | _OR_NONE), _all(other, _TEXT | _OR_NONE)),
        _numbers(seen, _NUMBER),
        _numbers(submitted, _NUMBER),
        map(SUBMISSIONS.__getitem__, submission),
    )


def _all(column: Column, kinds: Collection[type]) -> Column:
    """A column of which each value is of one of these kinds; ValueError where one is not."""
    if not {*map(type, column)} <= {*kinds}:
        raise ValueError("a row says something else")
    return column


def _numbers(column: Column, kinds: Collection[type]) -> Column:
    """The same, and each is finite."""
    if not math.isfinite(sum(filter(None, _all(column, kinds)))):
        raise ValueError("a row has a number that is none")
    return column
