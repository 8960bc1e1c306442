"""Names become addresses in threads of their own: a resolver that hangs is waited for by those who need it, alone.

asyncio looks names up in its one pool of a few threads, whose end the process waits for. The loop here does not, and so
whatever runs on it, httpx included, does not either.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Literal, TypeVar

from exporter.threads import in_thread

T = TypeVar("T")

IPv4 = tuple[Literal[socket.AddressFamily.AF_INET], socket.SocketKind, int, str, tuple[str, int]]
IPv6 = tuple[
    Literal[socket.AddressFamily.AF_INET6],
    socket.SocketKind,
    int,
    str,
    tuple[str, int, int, int] | tuple[int, bytes],
]
Addresses = list[IPv4 | IPv6]
"""As ``socket.getaddrinfo`` returns them."""

AT_ONCE = 32
"""So many names are looked up at once; the others wait. Nobody can end a look-up: one may hang for half a minute."""


class Lookups:
    """Looks names up. It belongs to one event loop.

    Whoever asks for a name that is being looked up gets what comes of that. So a name takes one thread, however often
    it is asked for by those who gave up on it before.
    """

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._under_way: dict[Hashable, asyncio.Task[Addresses]] = {}

    async def addresses(self, host: bytes | str | None, port: bytes | str | int | None, **hints: int) -> Addresses:
        """As ``socket.getaddrinfo``, with all that it raises."""
        key = (host, port, *sorted(hints.items()))
        looking = self._under_way.get(key)
        if looking is None:
            look = partial(socket.getaddrinfo, host, port, **hints)
            looking = self._under_way[key] = asyncio.create_task(self._look(look))
            looking.add_done_callback(partial(self._done, key))
        return await asyncio.shield(looking)  # the thread cannot be called back, so it keeps its place

    async def _look(self, look: Callable[[], Addresses]) -> Addresses:
        async with self._free:
            return await in_thread(look)

    def _done(self, key: Hashable, looking: asyncio.Task[Addresses]) -> None:
        del self._under_way[key]
        if not looking.cancelled():
            looking.exception()  # whoever asked may have gone; nobody else wants to hear of it


class Loop(asyncio.SelectorEventLoop):
    """The usual event loop, but for looking names up."""

    def __init__(self) -> None:
        super().__init__()
        self._lookups = Lookups()

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 (the names are asyncio's)
        proto: int = 0,
        flags: int = 0,
    ) -> Addresses:
        return await self._lookups.addresses(host, port, family=family, type=type, proto=proto, flags=flags)


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, on such a loop."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)
