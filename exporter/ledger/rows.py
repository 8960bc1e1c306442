"""Between values and the rows of the tables. What comes from a row is checked: files get damaged, and are edited."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import RowMapping

from exporter.accounting.series import Increments, Labels, Series
from exporter.ledger.ledger import Learnt, LedgerError
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState

T = TypeVar("T")
Row = Mapping[str, Any] | RowMapping

_SHARED = ("first_seen_at", "submitted_at", "eta_seconds", "credits_estimated")
_OPEN = ("observed_at", "open_at", "running_at")
_ENDED = ("finished_at", "duration", "credits_used")


class DamagedRowError(LedgerError):
    """A row that says what it cannot; ``row`` is its ``rowid``, where one row can be told."""

    def __init__(self, table: str, row: int, reason: str) -> None:
        super().__init__(f"row {row} of table {table} is damaged: {reason}")
        self.table = table
        self.row = row


def checked(table: str, row: Row, read: Callable[[Row], T]) -> T:
    """What is read from a row of a table, which carries its ``rowid``; raise DamagedRowError where it says nonsense."""
    try:
        return read(row)
    except ValueError as error:
        raise DamagedRowError(table, row["rowid"], str(error)) from None


# ---- tasks -----------------------------------------------------------------------------------------------------------


def open_row(state: TaskState, *, now: float, is_followed: bool = False) -> dict[str, Any]:
    """What is kept of a task that has not ended."""
    return _task_row(state, _OPEN, now) | {"is_followed": is_followed}


def outcome_row(state: TaskState, *, now: float) -> dict[str, Any]:
    """What is kept of a task that has ended."""
    return _task_row(state, (*_ENDED, "error_code"), now)


def state_of_open(row: Row) -> TaskState:
    """The state that ``open_row`` kept; ValueError where a row says none."""
    status = _status(row)
    if status.is_terminal:
        raise ValueError(f"status {str(status)!r} is that of a task that has ended")
    return _state(row, status, _OPEN)


def state_of_outcome(row: Row) -> TaskState:
    """The state that ``outcome_row`` kept; ValueError where a row says none."""
    status = _status(row)
    if not status.is_terminal:
        raise ValueError(f"status {str(status)!r} is that of a task that has not ended")
    _number(row, "finished_at")
    return replace(_state(row, status, _ENDED), error_code=_optional_text(row, "error_code"))


def ref_of(row: Row) -> TaskRef:
    """The task that a row is about; ValueError where it names none."""
    return TaskRef(_text(row, "account"), _optional_text(row, "task_id"), _optional_text(row, "out_task_id"))


def _task_row(state: TaskState, fields: tuple[str, ...], now: float) -> dict[str, Any]:
    ref = state.ref
    return {
        "account": ref.account,
        "task_id": ref.task_id,
        "out_task_id": ref.out_task_id,
        "status": str(state.status),
        "submission": int(state.submission),
        "looked_at": now,
        "is_named": True,
    } | {name: getattr(state, name) for name in _SHARED + fields}


def _state(row: Row, status: Status, fields: tuple[str, ...]) -> TaskState:
    numbers: Any = {name: _optional_number(row, name) for name in (*_SHARED[2:], *fields)}
    return TaskState(
        ref=ref_of(row),
        status=status,
        submission=Submission(row["submission"]),
        first_seen_at=_number(row, "first_seen_at"),
        submitted_at=_number(row, "submitted_at"),
        **numbers,
    )


# ---- registrations ---------------------------------------------------------------------------------------------------


def registration_row(registration: Registration) -> dict[str, Any]:
    """What is kept of a registered task."""
    ref = registration.ref
    return registration_key(registration) | {
        "task_id": ref.task_id,
        "out_task_id": ref.out_task_id,
        "model": registration.model,
        "labels": json.dumps(dict(registration.labels), ensure_ascii=False),
        "submitted_at": registration.submitted_at,
        "registered_at": registration.registered_at,
    }


def registration_key(registration: Registration) -> dict[str, Any]:
    """The columns that tell registrations apart. Ids hold no space, so that both make one text."""
    ref = registration.ref
    key = f"{ref.task_id or ''} {ref.out_task_id or ''}"
    return {"group_name": registration.group, "account": ref.account, "key": key}


def registration_of(row: Row) -> Registration:
    """The registration that ``registration_row`` kept; ValueError where a row says none."""
    return Registration(
        group=_text(row, "group_name"),
        ref=ref_of(row),
        registered_at=_number(row, "registered_at"),
        model=_text(row, "model"),
        labels=_labels(row),
        submitted_at=_optional_number(row, "submitted_at"),
    )


# ---- what the cadence has learnt -------------------------------------------------------------------------------------


def learnt_row(learnt: Learnt, *, now: float) -> dict[str, Any]:
    """What is kept of what was learnt."""
    return {
        "account": learnt.account,
        "group_name": learnt.group,
        "model": learnt.model,
        "text": learnt.text,
        "kept_at": now,
    }


def learnt_of(row: Row) -> Learnt:
    """What ``learnt_row`` kept. Damaged or not, it is text: whoever reads it finds out, and goes without."""
    return Learnt(*(str(row[name]) for name in ("account", "group_name", "model", "text")))


# ---- series ----------------------------------------------------------------------------------------------------------


def series_rows(increments: Increments) -> list[dict[str, Any]]:
    """One row for each series that is to grow."""
    return [
        {"family": series.family, "labels": _labels_text(series.labels), "part": series.part, "value": by}
        for series, by in increments.items()
    ]


def numbers_of(table: str, rows: Iterable[Row]) -> dict[Series, float]:
    """What each series of a table has added up to; raise DamagedRowError where one cannot be."""
    numbers: dict[Series, float] = {}
    for row in rows:
        series, number = checked(table, row, number_of)
        numbers[series] = numbers.get(series, 0.0) + number
    return numbers


def number_of(row: Row) -> tuple[Series, float]:
    """The series of a row and what it has added up to; ValueError, which names it, where a row says none."""
    try:
        return Series(_text(row, "family"), _labels(row), _text(row, "part")), _amount(row)
    except ValueError as error:
        raise ValueError(f"{row['family']}{row['labels']} {row['part']}".rstrip() + f": {error}") from None


def batch_of(row: Row) -> int:
    """The number of a writer's last batch; ValueError where a row says none."""
    number = row["number"]
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"number is {number!r}, not that of a batch")
    return number


def _labels_text(labels: Labels) -> str:
    return json.dumps(dict(labels), separators=(",", ":"), ensure_ascii=False)


def _amount(row: Row) -> float:
    number = _number(row, "value")
    if number < 0:
        raise ValueError(f"value is {number}, and nothing that is added up is negative")
    return number


# ---- single columns --------------------------------------------------------------------------------------------------


def _labels(row: Row) -> Labels:
    text = _text(row, "labels")
    try:
        labels = json.loads(text)
    except ValueError:
        labels = None
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise ValueError(f"labels is {text!r}, not a JSON object of texts")
    return tuple(sorted(labels.items()))


def _status(row: Row) -> Status:
    try:
        return Status(row["status"])
    except ValueError:
        raise ValueError(f"status is {row['status']!r}, which is none") from None


def _text(row: Row, name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not a text")  # noqa: TRY004 - the value of a row, not a caller's mistake
    return value


def _optional_text(row: Row, name: str) -> str | None:
    return None if row[name] is None else _text(row, name)


def _number(row: Row, name: str) -> float:
    value = row[name]
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a finite number")
    return float(value)


def _optional_number(row: Row, name: str) -> float | None:
    return None if row[name] is None else _number(row, name)
