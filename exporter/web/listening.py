"""Sockets that listen: on an interface, on all of them."""

import errno
import socket

BACKLOG = 512
"""So many connections may wait to be accepted."""

UNREAD_SECONDS = 120
"""A connection is given up where the other end takes nothing of what was sent for so long."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; no host means every interface, port 0 any free one. Raises OSError."""
    if host:
        return _listening(host, port, family=_family(host, port))
    if socket.has_dualstack_ipv6():
        try:
            return _listening("", port, family=socket.AF_INET6, dualstack=True)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # IPv6 is compiled in, but switched off
                raise
    return _listening("", port, family=socket.AF_INET)


def address_of(listener: socket.socket) -> str:
    """``HOST:PORT`` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]


def _listening(host: str, port: int, *, family: socket.AddressFamily, dualstack: bool = False) -> socket.socket:
    listener = socket.create_server((host, port), family=family, dualstack_ipv6=dualstack, backlog=BACKLOG)
    # asyncio sets this only on sockets that name their protocol; without it an answer may wait 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # closed by us, it would still wait for its last bytes to be read
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    return listener
