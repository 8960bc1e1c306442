"""Responses in plain text, JSON and HTML, with the headers that each kind needs; and the slots to make them in."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def text(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Plain text; a newline is added, for terminals."""
    return PlainTextResponse(f"{body}\n", status, {**ALWAYS, **(headers or {})})


def as_json(body: Mapping[str, object] | Sequence[object], status: int = 200) -> Response:
    """JSON that a person at a terminal can read, too."""
    return Response(json.dumps(body, indent=2) + "\n", status, ALWAYS, media_type="application/json")


def as_json_list(
    items: Iterable[Mapping[str, object]], *, name: str = "", others: Mapping[str, object] | None = None
) -> bytes:
    """JSON of a list that may be long, one item a line: by itself, or as the member ``name`` of an object.

    It is written item by item, and so keeps no other thread from the interpreter for long.
    """
    lines = ",\n".join(map(json.dumps, items))
    text = f"[\n{lines}\n]" if lines else "[]"
    if name:
        before = "".join(f"{json.dumps(key)}: {json.dumps(value)}, " for key, value in (others or {}).items())
        text = f"{{{before}{json.dumps(name)}: {text}}}"
    return f"{text}\n".encode()


PIECE = 64 * 1024


def in_pieces(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that may be long: many may be sent the same bytes, and whoever does not read holds no copy of them."""

    async def pieces() -> AsyncIterator[memoryview]:
        for at in range(0, len(body), PIECE):
            yield memoryview(body)[at : at + PIECE]
            await asyncio.sleep(0)  # a reader that keeps up must not have the loop to itself

    about = {**ALWAYS, "Content-Length": str(len(body)), **(headers or {})}
    return StreamingResponse(pieces(), headers=about, media_type="application/json")


MOST_FAULTS = 100
"""So many faults are named in one answer; whoever mends these sees the next ones."""

LONGEST_FAULT = 500
"""Characters of what is said of one: it may list all that is allowed."""


def shortened(faults: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """The first so many faults, none of them long, and how many more there are."""
    more = len(faults) - MOST_FAULTS
    first: list[Mapping[str, object]]
    first = [{key: _cut(value) for key, value in fault.items()} for fault in faults[:MOST_FAULTS]]
    return [*first, {"message": f"and {more} more"}] if more > 0 else first


def _cut(value: object) -> object:
    return f"{value[:LONGEST_FAULT]}..." if isinstance(value, str) and len(value) > LONGEST_FAULT else value


def html(body: str, *, style_hash: str, status: int = 200, refreshes: bool = False) -> Response:
    """A page that loads nothing, runs nothing and is in nobody's frame; its one style sheet is known by its hash.

    One that ``refreshes`` has a form and runs our one script, which asks for the page again: all of it with us alone.
    """
    ours = "form-action 'self'; script-src 'self'; connect-src 'self'" if refreshes else "form-action 'none'"
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; {ours}; frame-ancestors 'none'"
    return HTMLResponse(body, status, {**ALWAYS, "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})


AT_ONCE = 2
WAITING = 64


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


class Shared(Generic[Key, Result]):
    """Work that is done once for all that wait for the same result, one work at a time.

    What anybody gets was begun after they had asked for it: whoever comes when it has begun waits for the next one.
    """

    def __init__(self, make: Callable[[Key], Awaitable[Result]], slots: RenderSlots) -> None:
        self._make = make
        self._slots = slots
        self._one = asyncio.Lock()
        self._to_begin: dict[Key, asyncio.Task[Result]] = {}

    async def get(self, key: Key, *, slots: RenderSlots | None = None) -> Result:
        """The result, once it is there; raise BusyError at once where too many others are waited for.

        ``slots`` are others than usual, for what must not wait behind the rest.
        """
        waiting = self._to_begin.get(key)
        if waiting is None:
            waiting = self._to_begin[key] = asyncio.create_task(self._made(key, slots or self._slots))
        return await asyncio.shield(waiting)  # whoever gives up leaves it to the others

    async def _made(self, key: Key, slots: RenderSlots) -> Result:
        try:
            async with slots.slot(), self._one:
                del self._to_begin[key]
                return await self._make(key)
        finally:
            if self._to_begin.get(key) is asyncio.current_task():  # it never began
                del self._to_begin[key]
