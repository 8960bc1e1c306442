"""From the bytes of a success to its answer: at once for a record just as documented, field by field for any other."""

import msgspec

from exporter.dispatcher.answer import Answer
from exporter.dispatcher.payload import conceal, decode, may_quote
from exporter.dispatcher.wire import (
    ERROR_CODE_LIMIT,
    ERROR_MESSAGE_LIMIT,
    ID_LIMIT,
    NUMBER_LIMIT,
    OUTPUTS_LIMIT,
    STATUSES,
    TYPE_LIMIT,
    parse_record,
)
from exporter.tasks.identity import TaskRef, leads_elsewhere
from exporter.tasks.observation import Observation, Output, Said, Status


def read_record(body: bytes, *, asked: TaskRef, key: str) -> Answer:
    """The validated answer in a body; a DispatcherError (BAD_RESPONSE) where there is none for this task.

    ``parse_record`` decides. What is read at once is only what it would read in the same way, and without a drift.
    """
    if not may_quote(body, key) and (answer := read_documented(body, asked=asked)) is not None:
        return answer
    said = conceal(body, key)
    return parse_record(decode(said), asked=asked, said=Said(said))


class _Item(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    type: str
    duration_seconds: float | None = None
    url: str | None = None
    width: float | None = None
    height: float | None = None


class _Record(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A field more, or of another type, and the record is not this one. Nothing in it is skipped unread."""

    task_id: str
    status: str
    out_task_id: str | None = None
    estimated_credits: float | None = None
    estimated_seconds: float | None = None
    credits_used: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    output: list[_Item] | None = None


_RECORD = msgspec.json.Decoder(_Record)


def read_documented(body: bytes, *, asked: TaskRef) -> Answer | None:
    """The answer in a record just as documented, for the task that was asked for; None for whatever else a body is."""
    try:
        record = _RECORD.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    status = STATUSES.get(record.status)
    if status is None or not (_is_of(record, asked) and _is_complete(record, status) and _is_believable(record)):
        return None
    return Answer(
        Observation(
            status,
            record.task_id,
            asked.out_task_id if asked.task_id is None else record.out_task_id,
            record.estimated_credits,
            record.estimated_seconds,
            record.credits_used,
            record.error_code,
            record.error_message,
            tuple(Output(item.type, item.duration_seconds) for item in record.output) if record.output else (),
            Said(body),
        )
    )


def _is_of(record: _Record, asked: TaskRef) -> bool:
    if not _is_id(record.task_id):
        return False
    if record.out_task_id is not None and not _is_id(record.out_task_id):
        return False
    if asked.task_id is not None:
        return record.task_id == asked.task_id
    return record.out_task_id in (None, asked.out_task_id)


def _is_complete(record: _Record, status: Status) -> bool:
    if status is Status.COMPLETED:
        return record.credits_used is not None and record.output is not None
    return status is not Status.FAILED or record.error_code is not None


def _is_believable(record: _Record) -> bool:
    for number in (record.estimated_credits, record.estimated_seconds, record.credits_used):
        if number is not None and not 0 <= number <= NUMBER_LIMIT:
            return False
    if record.error_code is not None and not _is_word(record.error_code, ERROR_CODE_LIMIT):
        return False
    if record.error_message is not None and not _is_line(record.error_message):
        return False
    return record.output is None or _are_believable(record.output)


def _are_believable(items: list[_Item]) -> bool:
    return len(items) <= OUTPUTS_LIMIT and all(
        _is_word(item.type, TYPE_LIMIT)
        and (item.duration_seconds is None or 0 <= item.duration_seconds <= NUMBER_LIMIT)
        for item in items
    )


def _is_id(text: str) -> bool:
    return _is_word(text, ID_LIMIT) and not leads_elsewhere(text)


def _is_word(text: str, limit: int) -> bool:
    return 0 < len(text) <= limit and text.isprintable()


def _is_line(text: str) -> bool:
    return _is_word(text, ERROR_MESSAGE_LIMIT) and text == text.strip()
