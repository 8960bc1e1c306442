"""Sockets that listen: on one address, on every interface, or handed over by whoever started this process."""

import errno
import os
import socket

BACKLOG = 512
"""So many connections may wait to be accepted."""

UNSENT_BYTES = 1 << 17
"""So much of an answer the kernel takes before it can be sent: what nobody reads then waits with us, and is seen."""

UNREAD_SECONDS = 120
"""A connection is given up where the other end takes nothing of what was sent for so long."""

EVERY_IPV6 = "::"
FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def listen(host: str, port: int, *, only_ipv6: bool = False) -> socket.socket:
    """A listening socket; port 0 is any free one. Raises OSError.

    No host means every interface, over IPv6 and IPv4 as far as the machine has them. ``::`` means the same, but that
    there has to be IPv6; ``only_ipv6`` leaves IPv4 to another socket.
    """
    if host == EVERY_IPV6:
        both = not only_ipv6 and socket.has_dualstack_ipv6()
        return _listening(host, port, family=socket.AF_INET6, dualstack=both)
    if host:
        return _listening(host, port, family=_family(host, port))
    if socket.has_dualstack_ipv6():
        try:
            return _listening("", port, family=socket.AF_INET6, dualstack=True)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # IPv6 is compiled in, but switched off
                raise
    return _listening("", port, family=socket.AF_INET)


def adopt(descriptor: int) -> socket.socket:
    """The listening socket that this open file is; ValueError says in which way it is none, and it stays open then."""
    try:
        adopted = socket.socket(fileno=descriptor)
    except OSError:
        raise ValueError("is no socket") from None
    if fault := _why_useless(adopted):
        adopted.detach()
        raise ValueError(fault)
    adopted.set_inheritable(False)
    _prepare(adopted)
    return adopted


def _why_useless(adopted: socket.socket) -> str:
    if adopted.family not in FAMILIES or adopted.type != socket.SOCK_STREAM:
        return "is no stream socket (TCP or Unix)"
    return "" if adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) else "does not listen"


def address_of(listener: socket.socket) -> str:
    """``HOST:PORT`` of a listening socket, ``unix:PATH`` of one that is a file."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name if isinstance(name, str) else os.fsdecode(name).replace(chr(0), '@')}"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]


def _listening(host: str, port: int, *, family: socket.AddressFamily, dualstack: bool = False) -> socket.socket:
    listener = socket.create_server((host, port), family=family, dualstack_ipv6=dualstack, backlog=BACKLOG)
    _prepare(listener)
    return listener


def _prepare(listener: socket.socket) -> None:
    """Set what the accepted connections inherit."""
    if listener.family == socket.AF_UNIX:
        return
    # asyncio sets this only on sockets that name their protocol; without it an answer may wait 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # closed by us, it would still wait for its last bytes to be read
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
