"""Takes connections from listening sockets, as many as there are places for, and bears it where descriptors run out.

asyncio's own server would take any number, and write a traceback for each that it cannot take.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count

from exporter.metrics.traffic import Ending
from exporter.web.connection import Connection
from exporter.web.encrypting import encrypted
from exporter.web.places import Places

OUT_OF_SPACE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

AT_ONCE = 16
"""So many are taken in one turn of the event loop: a crowd must not have it to itself, nor keep others in the queue."""

PAUSE = 0.05
"""Seconds until a connection is tried to be taken again where there was no descriptor for it."""

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 32\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\ntoo many connections: try again\n"
)

Encryption = Callable[[], ssl.SSLContext | None]
"""What a new connection is encrypted with, None where it is not; asked for each, so that it may change."""


class Accepting:
    """Accepts on several sockets. ``welcome`` makes the protocol of a new connection, ``ended`` is told of those that
    never had one, and ``unable`` why none could be taken for a while.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        places: Places,
        *,
        welcome: Callable[[], Connection],
        ended: Callable[[Ending], None],
        unable: Callable[[str], None],
        encryption: Encryption,
        handshake_seconds: float,
    ) -> None:
        self._listeners = listeners
        self._places = places
        self._welcome = welcome
        self._ended = ended
        self._unable = unable
        self._encryption = encryption
        self._handshake_seconds = handshake_seconds
        self._accepting: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Take whoever comes from now on."""
        for listener in self._listeners:
            listener.settimeout(0)
            self._accepting.append(asyncio.create_task(self._accept_on(listener)))

    async def close(self) -> None:
        """Take nobody any more, and close the sockets."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()

    async def _accept_on(self, listener: socket.socket) -> None:
        for number in count(1):
            try:
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:
                await self._not_taken(error)
                continue
            if self._places.make_room():
                self._take(accepted)
            else:
                self._turn_away(accepted)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _not_taken(self, error: OSError) -> None:
        """Whoever is not taken yet stays in the kernel's queue, or has gone already."""
        if error.errno not in OUT_OF_SPACE:
            return
        self._unable(errno.errorcode[error.errno])
        self._places.evict()
        await asyncio.sleep(PAUSE)

    def _take(self, accepted: socket.socket) -> None:
        connection = self._welcome()
        connection.greeting = asyncio.create_task(self._greet(accepted, connection))

    async def _greet(self, accepted: socket.socket, connection: Connection) -> None:
        """Hand it over to its protocol, once it is encrypted where it has to be."""
        try:
            if context := self._encryption():
                await encrypted(accepted, connection, context, handshake_seconds=self._handshake_seconds)
            else:
                await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, accepted)
        except OSError:  # TLS faults and timeouts are among them
            accepted.close()
            self._ended(Ending.HANDSHAKE)
            connection.gone()
        except BaseException:
            accepted.close()
            connection.gone()
            raise

    def _turn_away(self, accepted: socket.socket) -> None:
        with accepted:
            accepted.settimeout(0)
            if self._encryption() is None:
                with suppress(OSError):
                    accepted.send(FULL)
        self._ended(Ending.REFUSED)
