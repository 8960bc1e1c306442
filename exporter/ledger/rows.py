"""Between values and the rows of the tables. What comes from a row is checked: files get damaged, and are edited.

A row is a plain tuple. One that is read has its row number before its columns; ``*_COLUMNS`` say which those are.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from exporter.accounting.series import Increments, Labels, Series, is_part
from exporter.ledger.ledger import Learnt, LedgerError
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.observation import TERMINAL, Status
from exporter.tasks.state import Submission, TaskState

T = TypeVar("T")
Row = Sequence[Any]

RowNumber = int | str
"""What tells a row of a table from the others: a whole number, or what a database has where a table has none."""

REF_COLUMNS = ("account", "task_id", "out_task_id")

_TASK_COLUMNS = (
    *REF_COLUMNS,
    "status",
    "submission",
    "first_seen_at",
    "submitted_at",
    "eta_seconds",
    "credits_estimated",
)

NOTED_COLUMNS = ("looked_at", "is_named")
"""What all rows that one transaction writes have alike."""

OPEN_COLUMNS = (*_TASK_COLUMNS, "observed_at", "open_at", "running_at", "is_followed", *NOTED_COLUMNS)

OUTCOME_COLUMNS = (
    *_TASK_COLUMNS,
    "finished_at",
    "duration",
    "credits_used",
    "error_code",
    *NOTED_COLUMNS,
)

_NUMBERS, _NUMBERS_END = 6, 13
"""Where the numbers stand in a row of either that was read: one after the other, so that they are checked together."""

_PLAIN = frozenset({float, type(None)})

_TEXTS = {status: status.value for status in Status}

OPEN_STATUSES = {status.value: status for status in Status if not status.is_terminal}

TERMINAL_STATUSES = {status.value: status for status in TERMINAL}

SUBMISSIONS = {submission.value: submission for submission in Submission}

REGISTRATION_KEY = ("group_name", "account", "key")

REGISTRATION_COLUMNS = (
    *REGISTRATION_KEY,
    "task_id",
    "out_task_id",
    "model",
    "labels",
    "submitted_at",
    "registered_at",
)

VERSIONED_COLUMNS = (*REGISTRATION_COLUMNS, "version")

SERIES_KEY = ("account", "family", "labels", "part")

SERIES_COLUMNS = (*SERIES_KEY, "value")

SUM_COLUMNS = SERIES_COLUMNS[1:]
"""What is read again: the labels have the account, too."""

LEARNT_KEY = ("account", "group_name", "model")

LEARNT_COLUMNS = (*LEARNT_KEY, "text", "kept_at")


class DamagedRowError(LedgerError):
    """A row that says what it cannot; ``row`` is its number."""

    def __init__(self, table: str, row: RowNumber, reason: str) -> None:
        super().__init__(f"row {row} of table {table} is damaged: {reason}")
        self.table = table
        self.row = row


def checked(table: str, row: Row, read: Callable[[Row], T]) -> T:
    """What is read from a row of a table; raise DamagedRowError where it says nonsense."""
    try:
        return read(row)
    except ValueError as error:
        raise DamagedRowError(table, row[0], str(error)) from None


# ---- tasks -----------------------------------------------------------------------------------------------------------


def noted(now: float) -> Row:
    """What the rows of tasks have alike that are written now, by ``NOTED_COLUMNS``: sources name their tasks."""
    return now, True


def open_row(state: TaskState, *, is_followed: bool = False, running_at: float | None = None) -> Row:
    """What is kept of a task that has not ended, before what is noted with it; ``running_at`` is when it ran where the
    state does not know it."""
    return (
        *_task_values(state),
        state.observed_at,
        state.open_at,
        running_at if state.running_at is None else state.running_at,
        int(is_followed),
    )


def outcome_row(state: TaskState) -> Row:
    """What is kept of a task that has ended, before what is noted with it."""
    return (
        *_task_values(state),
        state.finished_at,
        state.duration,
        state.credits_used,
        state.error_code,
    )


def _task_values(state: TaskState) -> Row:
    """What is kept of every task, by ``_TASK_COLUMNS``."""
    ref = state.ref
    return (
        ref.account,
        ref.task_id,
        ref.out_task_id,
        _TEXTS[state.status],
        int(state.submission),
        state.first_seen_at,
        state.submitted_at,
        state.eta_seconds,
        state.credits_estimated,
    )


def state_of_open(row: Row) -> TaskState:
    """The state that ``open_row`` kept; ValueError where a row says none."""
    _, account, task_id, out_task_id, status, submission = row[:_NUMBERS]
    seen, submitted, eta, estimated, observed, open_, running = _numbers(row, OPEN_COLUMNS)
    return TaskState(
        ref=_ref(account, task_id, out_task_id),
        first_seen_at=_given("first_seen_at", seen),
        submitted_at=_given("submitted_at", submitted),
        submission=_submission(submission),
        status=OPEN_STATUSES.get(status) or _status(status, is_terminal=False),
        observed_at=observed,
        open_at=open_,
        running_at=running,
        eta_seconds=eta,
        credits_estimated=estimated,
    )


def state_of_outcome(row: Row) -> TaskState:
    """The state that ``outcome_row`` kept; ValueError where a row says none."""
    _, account, task_id, out_task_id, status, submission = row[:_NUMBERS]
    seen, submitted, eta, estimated, finished, duration, used = _numbers(row, OUTCOME_COLUMNS)
    return TaskState(
        ref=_ref(account, task_id, out_task_id),
        first_seen_at=_given("first_seen_at", seen),
        submitted_at=_given("submitted_at", submitted),
        submission=_submission(submission),
        status=TERMINAL_STATUSES.get(status) or _status(status, is_terminal=True),
        eta_seconds=eta,
        credits_estimated=estimated,
        credits_used=used,
        error_code=_optional_text("error_code", row[_NUMBERS_END]),
        finished_at=_given("finished_at", finished),
        duration=duration,
    )


def ref_of(row: Row) -> TaskRef:
    """The task that a row of ``REF_COLUMNS`` is about; ValueError where it names none."""
    return _ref(*row[1:4])


# ---- registrations ---------------------------------------------------------------------------------------------------


def registration_row(registration: Registration) -> Row:
    """What is kept of a registered task."""
    ref = registration.ref
    return (
        *registration_key(registration),
        ref.task_id,
        ref.out_task_id,
        registration.model,
        json.dumps(dict(registration.labels), ensure_ascii=False),
        registration.submitted_at,
        registration.registered_at,
    )


def registration_key(registration: Registration) -> Row:
    """What tells registrations apart, by ``REGISTRATION_KEY``. Ids hold no space, so that both make one text."""
    ref = registration.ref
    return registration.group, ref.account, f"{ref.task_id or ''} {ref.out_task_id or ''}"


def registration_of(row: Row) -> Registration:
    """The registration that ``registration_row`` kept; ValueError where a row says none."""
    _, group, account, _, task_id, out_task_id, model, labels, submitted_at, registered_at = row
    return Registration(
        group=_text("group_name", group),
        ref=_ref(account, task_id, out_task_id),
        registered_at=_number("registered_at", registered_at),
        model=_text("model", model),
        labels=_labels(labels),
        submitted_at=_optional_number("submitted_at", submitted_at),
    )


# ---- what the cadence has learnt -------------------------------------------------------------------------------------


def learnt_row(learnt: Learnt, *, now: float) -> Row:
    """What is kept of what was learnt."""
    return learnt.account, learnt.group, learnt.model, learnt.text, now


def learnt_of(row: Row) -> Learnt:
    """What ``learnt_row`` kept. Damaged or not, it is text: whoever reads it finds out, and goes without."""
    account, group, model, text = map(str, row[1:5])
    return Learnt(account, group, model, text)


# ---- series ----------------------------------------------------------------------------------------------------------


class LabelTexts(dict[Labels, tuple[str, str]]):
    """Labels as the ledger writes them, behind the account among them ('' where there is none).

    Each is written once: there are no more than there are label sets in the totals.
    """

    def __missing__(self, labels: Labels) -> tuple[str, str]:
        named = dict(labels)
        found = self[labels] = (
            named.get("account", ""),
            json.dumps(named, separators=(",", ":"), ensure_ascii=False),
        )
        return found


def series_rows(increments: Increments, texts: LabelTexts) -> list[Row]:
    """One row for each series that is to grow."""
    rows: list[Row] = []
    for series, by in increments.items():
        account, labels = texts[series.labels]
        rows.append((account, series.family, labels, series.part, by))
    return rows


def numbers_of(table: str, rows: Iterable[Row]) -> dict[Series, float]:
    """What each series of a table has added up to; raise DamagedRowError where one cannot be."""
    numbers: dict[Series, float] = {}
    read = NumberReader()
    for row in rows:
        series, number = checked(table, row, read)
        numbers[series] = numbers.get(series, 0.0) + number
    return numbers


class NumberReader:
    """Reads the series of rows. Those that carry the same labels share them: the parts of one histogram are many."""

    def __init__(self) -> None:
        self._read: dict[str, Labels] = {}
        self._parts: set[str] = set()

    def __call__(self, row: Row) -> tuple[Series, float]:
        """The series of a row and what it has added up to; ValueError, which names it, where a row says none."""
        _, family, labels, part, value = row
        try:
            return Series(_text("family", family), self._labels(labels), self._part(part)), _amount(value)
        except ValueError as error:
            raise ValueError(f"{family}{labels} {part}".rstrip() + f": {error}") from None

    def _part(self, value: object) -> str:
        part = _text("part", value)
        if part not in self._parts:
            if not is_part(part):
                raise ValueError(f"part is {part!r}, of no counter and no histogram")
            self._parts.add(part)
        return part

    def _labels(self, text: object) -> Labels:
        key = _text("labels", text)
        labels = self._read.get(key)
        if labels is None:
            labels = self._read[key] = _labels(key)
        return labels


def _amount(value: object) -> float:
    number = _number("value", value)
    if number < 0:
        raise ValueError(f"value is {number}, and nothing that is added up is negative")
    return number


# ---- single columns --------------------------------------------------------------------------------------------------


def _ref(account: Any, task_id: Any, out_task_id: Any) -> TaskRef:
    if not (type(account) is type(task_id) is str and (out_task_id is None or type(out_task_id) is str)):
        _text("account", account), _optional_text("task_id", task_id), _optional_text("out_task_id", out_task_id)
    return TaskRef(account, task_id, out_task_id)


def _labels(value: object) -> Labels:
    text = _text("labels", value)
    try:
        labels = json.loads(text)
    except ValueError:
        labels = None
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise ValueError(f"labels is {text!r}, not a JSON object of texts")
    return tuple(sorted(labels.items()))


def _status(value: Any, *, is_terminal: bool) -> Status:
    try:
        status = Status(value)
    except ValueError:
        raise ValueError(f"status is {value!r}, which is none") from None
    if status.is_terminal is not is_terminal:
        raise ValueError(f"status {str(status)!r} is that of a task that has {'not ended' if is_terminal else 'ended'}")
    return status


def _submission(value: Any) -> Submission:
    found = SUBMISSIONS.get(value)
    return Submission(value) if found is None else found


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not a text")  # noqa: TRY004 - the value of a row, not a caller's mistake
    return value


def _optional_text(name: str, value: object) -> str | None:
    return None if value is None else _text(name, value)


def _numbers(row: Row, columns: Sequence[str]) -> Row:
    """The numbers of a task's row: all at a glance where each is plain, and one by one where one may not be."""
    values = row[_NUMBERS:_NUMBERS_END]
    if _PLAIN.issuperset(map(type, values)) and math.isfinite(sum(filter(None, values))):
        return values
    names = columns[_NUMBERS - 1 : _NUMBERS_END - 1]
    return [_optional_number(name, value) for name, value in zip(names, values, strict=True)]


def _given(name: str, value: float | None) -> float:
    return _number(name, value) if value is None else value


def _number(name: str, value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a finite number")
    return float(value)


def _optional_number(name: str, value: object) -> float | None:
    return None if value is None else _number(name, value)
