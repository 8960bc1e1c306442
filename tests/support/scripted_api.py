"""An API that says of each task what a test wants, and notes who was asked when. It runs in a thread of its own."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from tests.support.raw_server import read_request

LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back after so many seconds: an answer, or nothing but the end of the connection."""

    body: bytes = b""
    status: str = "200 OK"
    headers: tuple[str, ...] = ()
    after: float = 0.0
    is_sent: bool = True
    tells_end: bool = False

    def raw(self) -> bytes:
        lines = (f"HTTP/1.1 {self.status}", f"Content-Length: {len(self.body)}", "Content-Type: application/json")
        return "\r\n".join((*lines, *self.headers)).encode() + b"\r\n\r\n" + self.body


Behaviour = Callable[[str], Reply]
"""What is said of a task now, by the id that it was asked by."""

Page = Callable[[], Reply | None]
"""What a GET is answered with now; None where it has to wait."""


def record(name: str, **fields: Any) -> Reply:
    """A record of the task that goes by this id."""
    is_end = fields.get("status") in ("completed", "failed", "cancelled")
    return Reply(json.dumps({"task_id": name, **fields}).encode(), tells_end=is_end)


def runs(*, eta: float = 6.0) -> Behaviour:
    """A task that runs on."""
    return lambda name: record(name, status="running", estimated_seconds=eta, estimated_credits=1.0)


def has_ended(fields: Mapping[str, object] | None = None, *, after: float = 0.0) -> Behaviour:
    """A task that has completed, which it takes so many seconds to say; ``fields`` are more of its record."""
    told = {"status": "completed", "credits_used": 1.0, "output": [{"type": "video", "duration_seconds": 2.0}]}
    return lambda name: replace(record(name, **{**told, **(fields or {})}), after=after)


def ends(at: float, *, eta: float = 6.0) -> Behaviour:
    """A task that runs until then (monotonic seconds), and has completed from then on."""
    before, after = runs(eta=eta), has_ended()
    return lambda name: after(name) if time.monotonic() >= at else before(name)


def always(reply: Reply) -> Behaviour:
    """A task of which the same is said for ever."""
    return lambda _: reply


def unknown(_: str) -> Reply:
    """A task that the API does not know (any more)."""
    return Reply(json.dumps({"error": {"code": "task_not_found"}}).encode(), "404 Not Found")


SERVER_ERROR = Reply(b'{"error": {"code": "internal"}}', "500 Internal Server Error")
CLOSED = Reply(is_sent=False)

FAULTS: Mapping[str, Reply] = {
    "500": SERVER_ERROR,
    "array": Reply(b"[]"),
    "closed": CLOSED,
    "302": Reply(b"", "302 Found", ("Location: http://127.0.0.1:1/elsewhere",)),
    "cut": Reply(b'{"task_id": "task_'),
}
"""Five ways in which a query can always fail though the API as a whole is well."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query: for which task, from when to when (monotonic seconds), and whether the answer told of its end."""

    name: str
    at: float
    answered_at: float
    tells_end: bool


class ScriptedApi:
    """Answers queries on loopback, each by the behaviour of its task; whoever is not in the script runs on.

    ``script`` and ``pages`` (what a GET of a path is answered with) may be changed at any time, ``override`` answers
    every query while it is there. ``forgets`` makes it know nothing more of a task once it has told of its end.
    """

    def __init__(self, *, forgets: bool = False) -> None:
        self.script: dict[str, Behaviour] = {}
        self.default: Behaviour = runs()
        self.override: Behaviour | None = None
        self.pages: dict[str, Page] = {}
        self.forgets = forgets
        self.port = 0
        self._asked: list[Asked] = []
        self._in_flight = 0
        self._most_in_flight = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="scripted API", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self, *names: str, since: float = 0.0) -> list[Asked]:
        """The queries so far that have been answered, of these tasks or of all."""
        return [each for each in self._asked.copy() if each.at >= since and (not names or each.name in names)]

    def told_of_end(self) -> set[str]:
        """The tasks of which it has told that they ended."""
        return {each.name for each in self.asked() if each.tells_end}

    def most_in_flight(self) -> int:
        """How many queries it has had at once at most since it was asked this last."""
        most, self._most_in_flight = self._most_in_flight, self._in_flight
        return most

    @property
    def in_flight(self) -> int:
        """How many queries have not been answered yet."""
        return self._in_flight

    def names(self, path: str, items: Iterable[Mapping[str, object]]) -> None:
        """Let a GET of this path be answered with a list, as ``http_sd_configs`` reads it."""
        reply = Reply(json.dumps(list(items)).encode())
        self.pages[path] = lambda: reply

    # ---- the server's thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        clients: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.add(asyncio.ensure_future(self._client(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._done.wait()
        server.close()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(await read_request(reader), writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a client may leave whenever it likes
        finally:
            writer.close()

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; say whether the connection lives on."""
        head, _, body = request.partition(b"\r\n\r\n")
        method, path, _ = head.decode().split(" ", 2)
        if method == "GET":
            return await _sent(await self._page(path.partition("?")[0]), writer)
        return await self._query(json.loads(body), writer)

    async def _page(self, path: str) -> Reply:
        while True:
            reply = self.pages.get(path, lambda: Reply(status="404 Not Found"))()
            if reply is not None:
                return reply
            await asyncio.sleep(LOOK_SECONDS)

    async def _query(self, body: Mapping[str, str], writer: asyncio.StreamWriter) -> bool:
        name, at = body.get("task_id") or body["out_task_id"], time.monotonic()
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        try:
            reply = (self.override or self.script.get(name, self.default))(name)
            lives = await _sent(reply, writer)
        finally:
            self._in_flight -= 1
        self._asked.append(Asked(name, at, time.monotonic(), reply.tells_end))
        if reply.tells_end and self.forgets:
            self.script[name] = unknown
        return lives


async def _sent(reply: Reply, writer: asyncio.StreamWriter) -> bool:
    """Send it in its time; say whether the connection lives on."""
    await asyncio.sleep(reply.after)
    if reply.is_sent:
        writer.write(reply.raw())
        await writer.drain()
    return reply.is_sent
