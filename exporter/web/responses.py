"""Responses in plain text, JSON and HTML, with the headers that each kind needs; and the slots to make them in."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from starlette.responses import HTMLResponse, PlainTextResponse, Response

ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def text(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Plain text; a newline is added, for terminals."""
    return PlainTextResponse(f"{body}\n", status, {**ALWAYS, **(headers or {})})


def as_json(body: Mapping[str, object] | Sequence[object], status: int = 200) -> Response:
    """JSON that a person at a terminal can read, too."""
    return Response(json.dumps(body, indent=2) + "\n", status, ALWAYS, media_type="application/json")


def html(body: str, *, style_hash: str) -> Response:
    """A page that loads nothing, runs nothing and is in nobody's frame; its one style sheet is known by its hash."""
    policy = (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return HTMLResponse(body, 200, {**ALWAYS, "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})


AT_ONCE = 2
WAITING = 10


class BusyError(Exception):
    """So many wait already that another one would only make it worse."""


class RenderSlots:
    """Long work is done in threads, a few at a time: a storm of requests must neither block the loop nor take every
    thread. The slots and the queue before them belong to the event loop; ``waiting`` None is a queue without a limit.
    """

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int | None = WAITING) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it; raise BusyError at once where too many wait."""
        if self._most is not None and self._free.locked() and self._waiting >= self._most:
            raise BusyError
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
