"""TLS on an accepted socket, as asyncio's own servers do it, but with a buffer of one record a connection.

asyncio's takes 256 KiB for each, before the other end has said a word: a thousand that say none would fill a container.
"""

import asyncio
import socket
import ssl
from asyncio import sslproto

RECORD_BYTES = 16 * 1024
"""TLS sends no more in one record."""


async def encrypted(
    accepted: socket.socket, protocol: asyncio.Protocol, context: ssl.SSLContext, *, handshake_seconds: float
) -> None:
    """Hand the socket to the protocol once both ends have agreed; OSError where they do not, or not in time."""
    loop = asyncio.get_running_loop()
    agreed: asyncio.Future[None] = loop.create_future()
    tls = _OneRecord(
        loop,
        protocol,
        context,
        agreed,
        server_side=True,
        ssl_handshake_timeout=handshake_seconds,  # type: ignore[arg-type] # it is given to call_later
    )
    transport, _ = await loop.connect_accepted_socket(lambda: tls, accepted)
    try:
        await agreed
    except BaseException:
        transport.close()
        raise


class _OneRecord(sslproto.SSLProtocol):
    max_size = RECORD_BYTES
