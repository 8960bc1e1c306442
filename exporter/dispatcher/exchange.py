"""The narrow seam between a query and the library that speaks HTTP: bytes out, a whole response back.

Two stand behind it. ``stock`` is httpx as it comes: it does whatever an environment may ask for. ``direct`` does the
one thing that is done all day, a small POST to one server, at a fraction of the cost. Both name each fault alike.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from exporter.dispatcher.answer import DispatcherError, Reason
from exporter.dispatcher.payload import BODY_LIMIT
from exporter.version import version

KEEPALIVE = 30.0
"""Seconds an idle connection is kept: shorter than the idle limit of the usual load balancer (60 s)."""

MAX_AGE = 600.0
"""Seconds after which a connection is not used again: a server that moved is followed to its new address."""

RETRY_BUDGET = 10
"""So many answers earn one further try: a server that always hangs up is not asked twice as often."""

Again = Callable[[float], Awaitable[bool]]
"""Asked before a request is sent once more, with the seconds that are left for it: it waits for a place in the limits
of the account, and says whether there is one."""


async def at_once(_seconds: float) -> bool:
    """For whoever has no limits."""
    return True


class RetryBudget:
    """Says whether a request may be sent once more that met a kept connection in the moment in which it was closed.

    That is safe because a query only reads, and rare because only ``RETRY_BUDGET`` answers earn it. Until they have, no
    connection is kept: where somebody on the way forgets those that rest, each request would fail that meets one.
    """

    def __init__(self, again: Again) -> None:
        self.answers = RETRY_BUDGET
        """Those since the last time; to be counted by whoever gets them."""
        self._again = again

    @property
    def is_earned(self) -> bool:
        """Whether a connection that rested may be trusted: should it have ended, there is one further try."""
        return self.answers >= RETRY_BUDGET

    async def allows(self, seconds: float) -> bool:
        """Wait for a place in the limits, that many seconds at most."""
        if not self.is_earned:
            return False
        self.answers = 0
        return await self._again(seconds)


class Response(msgspec.Struct, frozen=True, gc=False):
    """A whole response. ``headers`` are found whatever their case; ``body`` is as it was sent, in that ``encoding``.

    What stands in a redirect, or is too long in an error, is left unread: there the status alone says what it means.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    encoding: str = ""


class Exchange(Protocol):
    """Asks one server; safe for concurrent use within one loop. Redirects are never followed."""

    async def post(self, path: str, *, body: bytes, headers: Mapping[str, str]) -> Response:
        """One exchange, in time; raise httpx's errors, TimeoutError, or a DispatcherError where that says more."""
        ...

    async def aclose(self) -> None:
        """Close every connection. Nothing may be under way."""
        ...


class Headers(Mapping[str, str]):
    """The headers of a response as they came; a name that came twice has both values, with a comma between."""

    __slots__ = ("_values", "raw")

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self.raw = raw
        """As they came, each by itself."""
        self._values: dict[bytes, bytes] = {}
        for name, value in raw:
            key = name.lower()
            self._values[key] = b"%b, %b" % (self._values[key], value) if key in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[_key(name)].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        """As any mapping's; most headers that are asked for are not there, and an exception each would cost more."""
        value = self._values.get(_key(name))
        return default if value is None else value.decode("latin-1")

    def looked_up(self, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of several names, which are in lower case, as they came: what is asked of every response."""
        return list(map(self._values.get, names))

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)


def _key(name: str) -> bytes:
    return name.lower().encode("latin-1", "replace")


def standing_headers() -> dict[str, str]:
    """What each request says, whoever sends it."""
    return {
        "User-Agent": f"bytespike-exporter/{version()}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # answers are some hundred bytes
        "Content-Type": "application/json",
    }


def is_too_much(announced: str) -> bool:
    """Whether a ``Content-Length`` is beyond what is read."""
    return announced.isdecimal() and (len(announced) > 12 or int(announced) > BODY_LIMIT)


def too_large(status: int) -> DispatcherError:
    return DispatcherError(Reason.TOO_LARGE, f"more than {BODY_LIMIT} bytes", status=status)
