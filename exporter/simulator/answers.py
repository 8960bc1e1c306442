"""HTTP answers: JSON, the two error envelopes, the money headers, and those that are no API answer at all."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from exporter.simulator.accounts import Caller
from exporter.simulator.backend import Backend
from exporter.simulator.errors import ApiError
from exporter.simulator.money import fixed
from exporter.simulator.records import Record
from exporter.simulator.scenarios import Poison

HUGE_BYTES = 8 << 20

NO_RESPONSE = 444
"""How the books mark a request whose connection was closed without an answer, as nginx does."""


class ErrorShape(StrEnum):
    """The envelope of errors; the tasks API uses OpenAI's."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


def json_answer(value: object, status: int = 200) -> Response:
    """A JSON body, without the spaces."""
    return Response(json.dumps(value, separators=(",", ":")), status, media_type="application/json")


def error_answer(error: ApiError, shape: ErrorShape) -> Response:
    """An error in its envelope; Anthropic's carries no code."""
    answer = json_answer(_envelope(error, shape), error.status)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _envelope(error: ApiError, shape: ErrorShape) -> dict[str, Any]:
    if shape is ErrorShape.ANTHROPIC:
        return {"type": "error", "error": {"type": error.type, "message": error.message}}
    return {"error": {"message": error.message, "type": error.type, "code": error.code}}


def money_headers(backend: Backend, caller: Caller) -> dict[str, str]:
    """The headers of a known key: the tightest spend window, the quota, the organisation's wallet.

    That a header is left out where nothing is capped is invented.
    """
    headers = {}
    spending = backend.spending(caller)
    bucket = spending.tightest(backend.now)
    if bucket is not None:
        headers["X-RateLimit-Limit"] = fixed(bucket.cap)
        headers["X-RateLimit-Remaining"] = fixed(bucket.remaining)
        headers["X-RateLimit-Reset"] = str(bucket.resets_at)
    if spending.quota_remaining is not None:
        headers["X-Quota-Remaining-Credits"] = fixed(spending.quota_remaining)
    if caller.account.org:
        headers["X-Org-Quota-Remaining-Credits"] = fixed(backend.wallet(caller).balance)
    return headers


class NoAnswer(Response):
    """Closes the connection instead of answering; a client in process gets the error that this would be to it."""

    def __init__(self) -> None:
        super().__init__(status_code=NO_RESPONSE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature is ASGI's
        # A server closes the connection of an answer that fails once it has begun; one that begins with a header that
        # cannot be written has put nothing on the wire by then.
        await send({"type": "http.response.start", "status": 200, "headers": [(b"no\nheader", b"")]})
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


def poisoned(poison: Poison, record: Record, shape: ErrorShape) -> Response:
    """What a poisoned task is answered with instead of its record (which a slow one gets in the end)."""
    match poison.kind:
        case "http_500" if poison.envelope:
            return error_answer(ApiError.server(500), shape)
        case "http_500":
            return Response("Internal Server Error\n", 500, media_type="text/plain")
        case "not_an_object":
            return json_answer([])
        case "closed":
            return NoAnswer()
        case "redirect":
            return _redirect()
        case "cut_json":
            return _cut(json_answer(record))
        case _:
            return json_answer(record)


def garbage(kind: str) -> Response:
    """An answer that is none."""
    return GARBAGE[kind]()


def _cut(answer: Response) -> Response:
    """The first half of an answer, correctly framed."""
    return Response(bytes(answer.body[: len(answer.body) // 2]), media_type=answer.media_type)


def _html() -> Response:
    return Response("<html><body><h1>502 Bad Gateway</h1></body></html>", 502, media_type="text/html")


def _redirect() -> Response:
    return Response(b"", 302, headers={"Location": "/v1/tasks/elsewhere"})


def _huge() -> Response:
    body = b'{"task_id":"task_","status":"running","padding":"%s"}' % (b"x" * HUGE_BYTES)
    return Response(body, media_type="application/json")


def _truncated() -> Response:
    # A server that sees the promise broken drops the connection.
    body = b'{"task_id":"task_","stat'
    return Response(body, headers={"Content-Length": str(2 * len(body))}, media_type="application/json")


GARBAGE: Mapping[str, Callable[[], Response]] = {
    "html": _html,
    "empty": lambda: Response(b"", media_type="application/json"),
    "array": lambda: json_answer([{"status": "completed"}]),
    "scalar": lambda: json_answer("completed"),
    "cut_json": lambda: Response(b'{"task_id":"task_01', media_type="application/json"),
    "huge": _huge,
    "redirect": _redirect,
    "truncated": _truncated,
}
