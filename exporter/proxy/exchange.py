"""One request and its answer on their way through, and whoever watches them pass."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from exporter.metrics.families.proxy import UpstreamFault
from exporter.proxy.framing import Framing
from exporter.proxy.head import RequestHead, ResponseHead
from exporter.proxy.reaching import Upstream

COPY_LIMIT = 1024 * 1024
"""Bytes that are kept of a body: as many as the API takes."""

COPIES_LIMIT = 64 * COPY_LIMIT
"""Bytes that are kept of all bodies together: a thousand clients may each stop in the middle of a large one."""


class Sink(Protocol):
    """Takes the pieces of a body as they pass, without the marks of its framing."""

    def add(self, piece: bytes) -> None: ...


class Room:
    """For all copies together; ``left`` is bytes."""

    __slots__ = ("left",)

    def __init__(self, size: int = COPIES_LIMIT) -> None:
        self.left = size


class Copy:
    """What is kept of a body; ``is_whole`` is false of one that was too long to keep, or for which there was no room.

    It takes of the room until it is dropped.
    """

    __slots__ = ("_content", "_room", "is_whole")

    def __init__(self, room: Room) -> None:
        self._content = bytearray()  # pieces may be single bytes: a list of them would be many times as large
        self._room = room
        self.is_whole = True

    def add(self, piece: bytes) -> None:
        if not self.is_whole:
            return
        if len(self._content) + len(piece) > COPY_LIMIT or len(piece) > self._room.left:
            self.is_whole = False
            self.drop()
        else:
            self._room.left -= len(piece)
            self._content += piece

    def drop(self) -> None:
        """Keep nothing any more."""
        self._room.left += len(self._content)
        self._content = bytearray()

    @property
    def content(self) -> bytes:
        return bytes(self._content)


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What is to become of one request.

    ``asked`` and ``told`` take the two bodies, where they are wanted. ``is_held``: the end of the answer waits until
    what it says is durable.
    """

    upstream: Upstream
    asked: Sink | None = None
    told: Sink | None = None
    is_held: bool = False


@dataclass(slots=True, eq=False)
class Exchange:
    """A request under way. Times are of the event loop; ``code`` is the status that the client got, 0 where none came.

    ``fault`` says why the upstream gave no answer, or not all of it. ``is_ours``: the answer is the sidecar's own, for
    there was none. ``is_cut``: it broke off. ``is_blind``: it passes as it is, for it is not HTTP as it should be.
    """

    head: RequestHead
    route: Route
    request: Framing
    began_at: float
    answer_head: ResponseHead | None = None
    answer: Framing | None = None
    code: int = 0
    fault: UpstreamFault | None = None
    is_ours: bool = False
    is_cut: bool = False
    is_blind: bool = False
    sent_at: float | None = None

    @property
    def has_answer(self) -> bool:
        """Whether all of the answer has come."""
        return self.answer is not None and self.answer.is_over

    @property
    def is_over(self) -> bool:
        """Whether both have passed whole."""
        return self.request.is_over and self.has_answer


class Watcher(Protocol):
    """Says where requests go, and sees what passes. It never raises, and takes no time."""

    def route(self, head: RequestHead) -> Route: ...

    def passed(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """An exchange has ended. A held answer waits for what is returned; anything else does not."""
