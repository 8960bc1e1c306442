"""Connections are opened here, to whichever of a name's addresses answers first (RFC 8305, happy eyeballs).

asyncio's own race loses the socket that has won where whoever waits is cancelled at that moment: it would stay open
until the collector of garbage comes.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

import aiohappyeyeballs

P = TypeVar("P", bound=asyncio.BaseProtocol)

PATIENCE = 0.25
"""Seconds until the next address of a name is tried beside those that have not answered."""


async def connect(protocol: Callable[[], P], *, host: str, port: int, tls: ssl.SSLContext | None) -> P:
    """Open a connection to a server; ``tls`` None: in clear text.

    Raises:
        OSError: nobody answers there, or it is not who its certificate should name.
        UnicodeError: no resolver takes this name.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    connected = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=PATIENCE, interleave=1)
    name = host if tls else None
    _, opened = await loop.create_connection(protocol, sock=connected, ssl=tls, server_hostname=name)
    return opened
