"""HTTP answers: JSON, the two error envelopes, the money headers, and bodies that are no API answer at all."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from starlette.responses import Response

from exporter.simulator.accounts import Caller
from exporter.simulator.errors import ApiError
from exporter.simulator.money import fixed
from exporter.simulator.world import World

HUGE_BYTES = 8 << 20


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


def money_headers(world: World, caller: Caller) -> dict[str, str]:
    """The headers of a known key: the tightest spend window, the quota, the organisation's wallet.

    That a header is left out where nothing is capped is invented.
    """
    headers = {}
    purse = world.purse(caller)
    bucket = purse.tightest(world.now)
    if bucket is not None:
        headers["X-RateLimit-Limit"] = fixed(bucket.cap)
        headers["X-RateLimit-Remaining"] = fixed(bucket.remaining)
        headers["X-RateLimit-Reset"] = str(bucket.resets_at)
    if purse.quota_remaining is not None:
        headers["X-Quota-Remaining-Credits"] = fixed(purse.quota_remaining)
    if caller.account.org:
        headers["X-Org-Quota-Remaining-Credits"] = fixed(world.wallet(caller).balance)
    return headers


def garbage(kind: str) -> Response:
    """An answer that is none."""
    return GARBAGE[kind]()


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
