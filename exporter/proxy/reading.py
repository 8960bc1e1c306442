"""What an exchange with ``/v1/tasks/…`` says of a task. Pure; the wire format itself is the dispatcher's."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import unquote

from exporter.dispatcher.answer import Answer, DispatcherError
from exporter.dispatcher.payload import conceal, decode
from exporter.dispatcher.records import read_record
from exporter.dispatcher.wire import ID_LIMIT, Fields, parse_record
from exporter.settings.fields import MAX_VALUE
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Said

TASKS = "/v1/tasks/"

EVENT_LIMIT = 64 * 1024
"""Bytes of one event of a stream; a record is some hundred."""


class Endpoint(StrEnum):
    """The closed set of ``endpoint`` on ``bytespike_proxy_…``."""

    SUBMIT = "submit"
    QUERY = "query"
    CANCEL = "cancel"
    STREAM = "stream"
    OTHER = "other"


_METHODS = {
    Endpoint.SUBMIT: ("POST",),
    Endpoint.QUERY: ("POST", "GET"),  # GET is the older documentation's
    Endpoint.CANCEL: ("POST",),
    Endpoint.STREAM: ("GET",),
}


class NotUnderstoodError(ValueError):
    """It passed, but nothing could be learnt from it."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request asks for; ``task_id`` is that of its path, empty where there is none."""

    endpoint: Endpoint
    task_id: str = ""

    @classmethod
    def of(cls, method: bytes, target: bytes) -> "Target":
        """As the request line has it."""
        path = target.decode("latin-1").partition("?")[0]
        name, _, rest = path.removeprefix(TASKS).partition("/")
        endpoint = Endpoint(name) if path.startswith(TASKS) and name in set(Endpoint) else Endpoint.OTHER
        if method.decode("latin-1") not in _METHODS.get(endpoint, ()):
            return cls(Endpoint.OTHER)
        return cls(endpoint, unquote(rest))


@dataclass(frozen=True, slots=True)
class Submission:
    """A task that was submitted. ``answer`` is what the API said of it at once, None where it gave no status."""

    ref: TaskRef
    model: str
    answer: Answer | None


def read_submission(asked: bytes, told: bytes, *, account: str, key: str) -> Submission:
    """What a submission that succeeded has begun; raises NotUnderstoodError."""
    said = conceal(told, key)
    record = _object(said)
    fields = Fields(record)
    task_id = fields.word("task_id", limit=ID_LIMIT)
    if task_id is None:
        raise NotUnderstoodError("no task_id")
    wanted = Fields(_object_or_none(asked))
    out_task_id = fields.word("out_task_id", limit=ID_LIMIT) or wanted.word("out_task_id", limit=ID_LIMIT)
    answer = _answer(record, TaskRef(account, task_id), Said(said)) if fields.has("status") else None
    return Submission(TaskRef(account, task_id, out_task_id), wanted.word("model", limit=MAX_VALUE) or "", answer)


def read_answer(asked: bytes, told: bytes, *, target: Target, account: str, key: str) -> tuple[TaskRef, Answer]:
    """Which task a query or a cancellation spoke of, and what the API said of it; raises NotUnderstoodError."""
    ref = asked_for(asked, target=target, account=account)
    try:
        return ref, read_record(told, asked=ref, key=key)
    except DispatcherError as error:
        raise NotUnderstoodError(error.detail) from None


def asked_for(asked: bytes, *, target: Target, account: str) -> TaskRef:
    """The task that a request names; raises NotUnderstoodError where it names none, or two."""
    if target.task_id:  # beats what the body says
        return TaskRef(account, task_id=_word(target.task_id))
    fields = Fields(_object(asked))
    task_id, out_task_id = fields.word("task_id", limit=ID_LIMIT), fields.word("out_task_id", limit=ID_LIMIT)
    if (task_id is None) == (out_task_id is None):
        raise NotUnderstoodError("not one id")
    return TaskRef(account, task_id, out_task_id)


class Events:
    """Takes a stream of server-sent events piece by piece; each record in it goes to ``take``.

    What is no record is passed over: nothing is published of what else a stream may say.
    """

    def __init__(self, ref: TaskRef, take: "TakeAnswer", *, key: str) -> None:
        self._ref = ref
        self._take = take
        self._key = key
        self._line = bytearray()  # of the line being read
        self._data: list[bytes] = []  # of the event being read
        self._size = 0  # bytes of the event, kept or not

    def add(self, piece: bytes) -> None:
        """Each byte is looked at once: a stream may come byte by byte."""
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self._keep(end)
            self._take_line(bytes(self._line).removesuffix(b"\r"))
            self._line.clear()
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._line += part[: EVENT_LIMIT - len(self._line)]

    def _take_line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._size += len(line) + 1
            if self._size <= EVENT_LIMIT:
                self._data.append(line[5:].removeprefix(b" "))
        elif not line:
            data, self._data = self._data, []
            is_whole, self._size = self._size <= EVENT_LIMIT, 0
            if data and is_whole and (answer := self._read(data)) is not None:
                self._take(self._ref, answer)

    def _read(self, data: list[bytes]) -> Answer | None:
        try:
            said = conceal(b"\n".join(data), self._key)
            record = decode(said)
            named = isinstance(record, dict) and record.get("task_id") and record.get("status")
            return parse_record(record, asked=self._ref, said=Said(said)) if named else None
        except DispatcherError:
            return None


class TakeAnswer(Protocol):
    """Takes what a stream says of a task."""

    def __call__(self, ref: TaskRef, answer: Answer) -> None: ...


def _answer(record: Mapping[str, object], ref: TaskRef, said: Said) -> Answer:
    try:
        return parse_record(record, asked=ref, said=said)
    except DispatcherError as error:
        raise NotUnderstoodError(error.detail) from None


def _object(body: bytes) -> dict[str, object]:
    try:
        value = decode(body)
    except DispatcherError as error:
        raise NotUnderstoodError(error.detail) from None
    if not isinstance(value, dict):
        raise NotUnderstoodError("not a JSON object")
    return value


def _object_or_none(body: bytes) -> dict[str, object]:
    try:
        return _object(body)
    except NotUnderstoodError:
        return {}


def _word(text: str) -> str:
    if not 0 < len(text) <= ID_LIMIT or not text.isprintable():
        raise NotUnderstoodError("not an id")
    return text
