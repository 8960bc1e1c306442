"""Where to listen, as the command line says it, and listening there."""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from exporter.cli.exits import CannotStart
from exporter.web.listening import EVERY_IPV6, listen
from exporter.web.unix_socket import unix_listener

EVERY_IPV4 = "0.0.0.0"  # noqa: S104 - it is only compared with
UNIX = "unix:"

MAX_UNIX_PATH = 107
"""In bytes; the kernel takes no longer one (unix(7))."""

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen; no host means every interface, port 0 any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """``:9877``, ``127.0.0.1:0``, ``localhost:9877`` or ``[::1]:9877``; ValueError for anything else."""
        match = _ADDRESS.fullmatch(text)
        if match is None or not _is_host(match["host"], match["six"]):
            raise ValueError("expected HOST:PORT, such as :9877, 127.0.0.1:9877 or [::1]:9877")
        port = int(match["port"])
        if port > 65535:
            raise ValueError(f"there is no port {port}; the last is 65535")
        return cls(match["six"] or match["host"], port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket in the file system."""

    path: Path

    @classmethod
    def parse(cls, text: str) -> Self:
        """``unix:/path``; ValueError for anything else."""
        path = text.removeprefix(UNIX)
        if path == text or not path or path.endswith("/"):
            raise ValueError("expected unix:/path of a socket")
        if len(os.fsencode(path)) > MAX_UNIX_PATH:
            raise ValueError(f"the path of a socket has {MAX_UNIX_PATH} bytes at most")
        return cls(Path(path))

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"


Address = ListenAddress | UnixAddress


def parse_address(text: str) -> Address:
    """``[HOST]:PORT`` or ``unix:/path``; ValueError for anything else."""
    return UnixAddress.parse(text) if text.startswith(UNIX) else ListenAddress.parse(text)


@contextmanager
def listening(addresses: Sequence[Address]) -> Iterator[tuple[socket.socket, ...]]:
    """Listen on every address meanwhile; CannotStart names the first where that cannot be, and closes the others."""
    with ExitStack() as stack:
        listeners = []
        for address in addresses:
            try:
                listeners.append(stack.enter_context(_listener(address, addresses)))
            except OSError as error:
                raise CannotStart(f"cannot listen on {address}: {_reason(error)}") from None
        yield tuple(listeners)


def _listener(address: Address, all_of_them: Sequence[Address]) -> AbstractContextManager[socket.socket]:
    if isinstance(address, UnixAddress):
        return unix_listener(address.path)
    leaves_ipv4 = address.host == EVERY_IPV6 and ListenAddress(EVERY_IPV4, address.port) in all_of_them
    return listen(address.host, address.port, only_ipv6=leaves_ipv4)


def _reason(error: OSError) -> str:
    """Without what Python adds to it; of a name that is not found, and of a file in the way, what was said."""
    if isinstance(error, socket.gaierror | FileExistsError):
        return str(error.strerror)
    return os.strerror(error.errno or 0)


def _is_host(host: str | None, six: str | None) -> bool:
    if six is None:
        return not host or bool(_HOST.fullmatch(host))
    try:
        return ip_address(six).version == 6
    except ValueError:
        return False
