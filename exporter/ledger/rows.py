"""Between the states of tasks and the rows of the tables."""

import json
from collections.abc import Mapping
from typing import Any

from exporter.accounting.series import Increments, Labels, Series
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState

Row = Mapping[str, Any]

_SHARED = ("first_seen_at", "submitted_at", "eta_seconds", "credits_estimated")
_OPEN = ("observed_at", "open_at", "running_at")
_ENDED = ("finished_at", "duration", "credits_used", "error_code")


def open_row(state: TaskState, *, saved_at: float) -> Row:
    """What is kept of a task that has not ended."""
    return _row(state, _OPEN) | {"saved_at": saved_at}


def outcome_row(state: TaskState) -> Row:
    """What is kept of a task that has ended."""
    return _row(state, _ENDED)


def state_of_open(row: Row) -> TaskState:
    """The state that ``open_row`` kept."""
    return _state(row, _OPEN)


def state_of_outcome(row: Row) -> TaskState:
    """The state that ``outcome_row`` kept."""
    return _state(row, _ENDED)


def total_rows(increments: Increments) -> list[Row]:
    """One row for each series that is to grow."""
    return [
        {"family": series.family, "labels": _labels_text(series.labels), "part": series.part, "value": by}
        for series, by in increments.items()
    ]


def series_of(family: str, labels: str, part: str) -> Series:
    """The series of a row of ``totals``."""
    return Series(family, tuple(sorted(json.loads(labels).items())), part)


def _row(state: TaskState, fields: tuple[str, ...]) -> dict[str, Any]:
    ref = state.ref
    row = {"account": ref.account, "task_id": ref.task_id, "out_task_id": ref.out_task_id, "status": str(state.status)}
    return row | {"submission": int(state.submission)} | {name: getattr(state, name) for name in _SHARED + fields}


def _state(row: Row, fields: tuple[str, ...]) -> TaskState:
    return TaskState(
        ref=TaskRef(row["account"], row["task_id"], row["out_task_id"]),
        status=Status(row["status"]),
        submission=Submission(row["submission"]),
        **{name: row[name] for name in _SHARED + fields},
    )


def _labels_text(labels: Labels) -> str:
    return json.dumps(dict(labels), separators=(",", ":"), ensure_ascii=False)
