"""What an exchange with the API says of a new task. Pure."""

from dataclasses import dataclass

import msgspec

SUBMIT = "/v1/tasks/submit"

LONGEST_ID = 200
LONGEST_MODEL = 200
"""Characters, as the exporter takes them."""

MOST_ASKED = 1 << 20
"""Bytes of a request, as the API takes them."""

MOST_ANSWERED = 16 << 10
"""Bytes of an answer as they come; a task's record has a few hundred."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A task that was submitted; ``model`` as the request names it, where it is known."""

    task_id: str
    model: str | None = None


class _Asked(msgspec.Struct):
    model: str | None = None


class _Answered(msgspec.Struct):
    task_id: str


def may_submit(method: str, path: str, status: int, content_type: str, length: str) -> bool:
    """Whether an answer, by its head, may tell of a new task; ``length`` is its Content-Length, or empty."""
    if method != "POST" or not path.endswith(SUBMIT) or not 200 <= status < 300:
        return False
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return False
    return not length.isdecimal() or int(length[:20]) <= MOST_ANSWERED


def read(asked: object, answered: bytes) -> Submission | None:
    """The task that an answer names, None where it names none. Whatever else it says is passed over; what was asked
    may be a stream, which is nobody's to read again.
    """
    try:
        task_id = msgspec.json.decode(answered, type=_Answered).task_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return told(task_id, _model(asked))


def told(task_id: object, model: object = None) -> Submission | None:
    """The submission of a task by its id, None where it can be no id. A model that can be none is left out."""
    if not isinstance(task_id, str) or not 0 < len(task_id) <= LONGEST_ID:
        return None
    is_model = isinstance(model, str) and 0 < len(model) <= LONGEST_MODEL and model.isprintable()
    return Submission(task_id, model if is_model else None)  # type: ignore[arg-type] # it is text, then


def _model(asked: object) -> str | None:
    if not isinstance(asked, bytes | str) or len(asked) > MOST_ASKED:
        return None
    try:
        return msgspec.json.decode(asked, type=_Asked).model
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
