"""The wire format of ``GET /v1/tasks/stream/{task_id}``: server-sent events, read with tolerance.

The API publishes the route and nothing of what it sends. So an event is known by its data alone: a JSON object that
says a task and a status is a record, read just as a query's answer is. Whoever listens gets an error for anything else
that could have been meant as one, and then had better query.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from urllib.parse import quote

import httpx
from httpx_sse import EventSource

from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.dispatcher.payload import BODY_LIMIT, conceal, decode
from exporter.dispatcher.wire import parse_record
from exporter.tasks.identity import TaskRef, leads_elsewhere
from exporter.tasks.observation import Said

PATH = "/v1/tasks/stream/"

_TELLING = frozenset({"task_id", "status", "error"})
"""An object without any of them speaks of something else, a heartbeat perhaps."""


def stream_path(ref: TaskRef) -> str:
    """The path of one task's stream; there is none by ``out_task_id`` alone."""
    if ref.task_id is None:
        raise ValueError("a stream needs a task_id")
    if leads_elsewhere(ref.task_id):
        raise ValueError("this task_id would lead to another path")
    return PATH + quote(ref.task_id, safe="")


async def read_stream(
    headers: Mapping[str, str], chunks: AsyncIterator[bytes], *, asked: TaskRef, key: str
) -> AsyncGenerator[Answer]:
    """The records of an open stream as they come, BODY_LIMIT bytes in all; a DispatcherError where it goes wrong.

    An SSEError where it is no event stream at all; whatever ``chunks`` raises is passed on.
    """
    async with aclosing(_event_source(headers, chunks).aiter_sse()) as events:
        async for event in events:
            if event.data and (answer := _read(event.data, asked, key)):
                yield answer


def _read(data: str, asked: TaskRef, key: str) -> Answer | None:
    said = conceal(data.encode(), key)
    payload = decode(said)
    if not isinstance(payload, dict):
        raise DispatcherError(Reason.BAD_RESPONSE, "an event that is not a JSON object")
    if not _TELLING & payload.keys():
        return None
    if not payload.get("task_id"):
        raise DispatcherError(Reason.BAD_RESPONSE, "a record without a task_id")
    return parse_record(payload, asked=asked, said=Said(said))


def _event_source(headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> EventSource:
    """The same stream, but finite, and in UTF-8 whatever its headers say."""
    if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise DispatcherError(Reason.BAD_RESPONSE, "a content encoding that was not asked for")
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    # the decoder of events takes them from a response alone
    return EventSource(httpx.Response(200, headers={"Content-Type": kind}, content=_up_to_limit(chunks)))


async def _up_to_limit(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > BODY_LIMIT:
            raise DispatcherError(Reason.TOO_LARGE, f"more than {BODY_LIMIT} bytes of events")
        yield chunk
