"""The sockets that systemd has opened for this process (systemd.socket(5), sd_listen_fds(3))."""

import os
import socket
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager

from exporter.cli.exits import CannotStart
from exporter.web.listening import adopt

FIRST = 3
"""The descriptors begin behind standard input, output and error."""

MOST = 128
"""More than anybody passes; a number beyond it is a mistake."""

VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")


@contextmanager
def handed_over(environ: MutableMapping[str, str]) -> Iterator[tuple[socket.socket, ...]]:
    """The listening sockets, at least one, closed at the end; CannotStart where there is none or one cannot be used.

    The variables are taken out of the environment: no process that this one starts shall think itself meant.
    """
    pid, _, count, names = (environ.pop(name, "") for name in VARIABLES)
    if pid != str(os.getpid()) or not count.isdecimal() or not 0 < int(count) <= MOST:
        raise CannotStart(
            "--web.systemd-socket is given, but systemd has handed over no socket: a .socket unit of the service's "
            "name starts it with one, and ExecStart= has to start this program itself, without a shell before it"
        )
    named = dict(zip(range(FIRST, FIRST + int(count)), names.split(":"), strict=False))
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(_adopted(descriptor, named.get(descriptor, "")))
            for descriptor in range(FIRST, FIRST + int(count))
        )


def _adopted(descriptor: int, name: str) -> socket.socket:
    try:
        return adopt(descriptor)
    except ValueError as error:
        called = f" ({name})" if name else ""
        raise CannotStart(
            f"descriptor {descriptor}{called} that systemd has handed over {error}: the .socket unit has to say "
            "ListenStream=, and not Accept=yes"
        ) from None
