"""The wire format of ``POST /v1/tasks/query``: the body that asks, and the record that answers.

Both generations of the documentation are read (``queued``, ``credits`` and ``result`` are the older one's). An answer
is believed only for the task that was asked for; a field that is not as documented is left out and counted as drift.
"""

import json
import math
import re
from collections.abc import Mapping

import msgspec

from exporter.dispatcher.answer import Answer, DispatcherError, Drift, Reason
from exporter.tasks.identity import TaskRef, leads_elsewhere
from exporter.tasks.observation import UNSAID, Observation, Output, Said, Status

NUMBER_LIMIT = 1e12
"""Credits and seconds beyond it are not believed: added up, such numbers would drown everything else."""

_NUMERAL = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")


def numeral(text: str) -> float | None:
    """The finite number that a string spells in plain decimal, or None."""
    text = text.strip()
    if not _NUMERAL.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


class Fields:
    """One JSON object; ``drift`` holds each kind of deviation met, once. JSON's null counts as absent."""

    def __init__(self, record: Mapping[str, object], drift: dict[Drift, None] | None = None) -> None:
        self._record = record
        self._drift: dict[Drift, None] = {} if drift is None else drift

    @property
    def drift(self) -> tuple[Drift, ...]:
        return tuple(self._drift)

    def note(self, drift: Drift) -> None:
        self._drift[drift] = None

    def inner(self, record: Mapping[str, object]) -> "Fields":
        """An object inside this one; what it deviates in is noted here."""
        return Fields(record, self._drift)

    def has(self, name: str) -> bool:
        return self._record.get(name) is not None

    def get(self, name: str) -> object:
        return self._record.get(name)

    def number(self, name: str) -> float | None:
        """A number from 0 to NUMBER_LIMIT, also where it comes as a string."""
        value = self._record.get(name)
        if value is None:
            return None
        number = _number(value)
        if number is None:
            self.note(Drift.MISTYPED_FIELD)
        return number

    def word(self, name: str, *, limit: int) -> str | None:
        """A non-empty string of at most so many printable characters, fit for an id or a label."""
        value = self._record.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
            self.note(Drift.MISTYPED_FIELD)
            return None
        return value

    def prose(self, name: str, *, limit: int) -> str | None:
        """Text for people, on one line, cut to so many characters."""
        value = self._record.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.note(Drift.MISTYPED_FIELD)
            return None
        # twice the limit is looked at, so that a long text costs no more than a short one
        line = "".join(mark if mark.isprintable() else " " for mark in value[: 2 * limit])
        return line.strip()[:limit] or None


def _number(value: object) -> float | None:
    if isinstance(value, str):
        value = numeral(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= NUMBER_LIMIT else None


ID_LIMIT = 200
ERROR_CODE_LIMIT = 100
ERROR_MESSAGE_LIMIT = 500
TYPE_LIMIT = 50
OUTPUTS_LIMIT = 1000

UNKNOWN_TYPE = "unknown"

STATUSES = {
    status.value: status
    for status in (Status.PENDING, Status.RUNNING, Status.COMPLETED, Status.FAILED, Status.CANCELLED)
}
_LEGACY_STATUSES = {"queued": Status.PENDING}
_LEGACY_URLS = {"video_url": "video", "image_url": "image", "audio_url": "audio"}


def request_body(ref: TaskRef) -> bytes:
    """Exactly one id: the API refuses both, and ``task_id`` is its own."""
    asked = {"task_id": ref.task_id} if ref.task_id else {"out_task_id": ref.out_task_id}
    try:
        return msgspec.json.encode(asked)
    except UnicodeEncodeError:  # half of a surrogate pair, as a command line can bring it: JSON can carry it
        return json.dumps(asked).encode()


def parse_record(payload: object, *, asked: TaskRef, said: Said = UNSAID) -> Answer:
    """The validated answer in a JSON value; a DispatcherError (BAD_RESPONSE) where it is not one for this task.

    ``said`` is what it was read from.
    """
    if not isinstance(payload, dict):
        raise DispatcherError(Reason.BAD_RESPONSE, "not a JSON object")
    fields = Fields(payload)
    status = _status(fields)
    task_id, out_task_id = _ids(fields, asked)
    observation = Observation(
        status=status,
        task_id=task_id,
        out_task_id=out_task_id,
        estimated_credits=fields.number("estimated_credits"),
        estimated_seconds=fields.number("estimated_seconds"),
        credits_used=_credits_used(fields),
        error_code=fields.word("error_code", limit=ERROR_CODE_LIMIT),
        error_message=fields.prose("error_message", limit=ERROR_MESSAGE_LIMIT),
        outputs=_outputs(fields),
        said=said,
    )
    _note_missing(fields, status)
    return Answer(observation, drift=fields.drift)


def _status(fields: Fields) -> Status:
    status = fields.get("status")
    if not isinstance(status, str):
        raise DispatcherError(Reason.BAD_RESPONSE, "a record without a status")
    if status in _LEGACY_STATUSES:
        fields.note(Drift.LEGACY_SHAPE)
        return _LEGACY_STATUSES[status]
    if status not in STATUSES:
        fields.note(Drift.UNKNOWN_STATUS)
    return STATUSES.get(status, Status.UNKNOWN)


def _ids(fields: Fields, asked: TaskRef) -> tuple[str | None, str | None]:
    if not fields.get("task_id"):
        fields.note(Drift.MISSING_FIELD)
    if asked.task_id:
        return _echo(fields, "task_id", asked.task_id), _id(fields, "out_task_id")
    return _id(fields, "task_id"), _echo(fields, "out_task_id", asked.out_task_id)


def _echo(fields: Fields, name: str, asked: str | None) -> str | None:
    """The id that was asked by: an answer may leave it out, but not name another."""
    value = fields.get(name)
    if value and isinstance(value, str) and value != asked:
        raise DispatcherError(Reason.BAD_RESPONSE, f"a record of another {name} than was asked for")
    _id(fields, name)
    return asked


def _id(fields: Fields, name: str) -> str | None:
    if fields.get(name) == "":  # an empty id is a missing one
        return None
    value = fields.word(name, limit=ID_LIMIT)
    if value is not None and leads_elsewhere(value):
        fields.note(Drift.MISTYPED_FIELD)
        return None
    return value


def _credits_used(fields: Fields) -> float | None:
    if fields.has("credits_used") or not fields.has("credits"):
        return fields.number("credits_used")
    fields.note(Drift.LEGACY_SHAPE)
    return fields.number("credits")


def _outputs(fields: Fields) -> tuple[Output, ...]:
    if fields.has("output"):
        return _items(fields, fields.get("output"))
    if fields.has("result"):
        fields.note(Drift.LEGACY_SHAPE)
        return _legacy_outputs(fields, fields.get("result"))
    return ()


def _items(fields: Fields, items: object) -> tuple[Output, ...]:
    if not isinstance(items, list):
        fields.note(Drift.MISTYPED_FIELD)
        return ()
    if len(items) > OUTPUTS_LIMIT:
        fields.note(Drift.MISTYPED_FIELD)
    return tuple(_item(fields, item) for item in items[:OUTPUTS_LIMIT])


def _item(fields: Fields, item: object) -> Output:
    if not isinstance(item, dict):
        fields.note(Drift.MISTYPED_FIELD)
        return Output(UNKNOWN_TYPE)
    inner = fields.inner(item)
    if not inner.has("type"):
        inner.note(Drift.MISSING_FIELD)
    return Output(inner.word("type", limit=TYPE_LIMIT) or UNKNOWN_TYPE, inner.number("duration_seconds"))


def _legacy_outputs(fields: Fields, result: object) -> tuple[Output, ...]:
    if not isinstance(result, Mapping):
        fields.note(Drift.MISTYPED_FIELD)
        return ()
    inner = fields.inner(result)
    seconds = inner.number("duration_seconds")
    return tuple(Output(type_, seconds) for url, type_ in _LEGACY_URLS.items() if inner.has(url))


def _note_missing(fields: Fields, status: Status) -> None:
    """What is documented as always present in a status."""
    complete = {
        Status.COMPLETED: (fields.has("credits_used") or fields.has("credits"))
        and (fields.has("output") or fields.has("result")),
        Status.FAILED: fields.has("error_code"),
    }
    if not complete.get(status, True):
        fields.note(Drift.MISSING_FIELD)
