"""A service manager's end of sd_notify(3): a real datagram socket that keeps what it is told."""

import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Supervising:
    """Listens at ``address``, a path or the ``@`` name of an abstract socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.told: list[dict[str, str]] = []
        self._unheard: deque[dict[str, str]] = deque()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def close(self) -> None:
        self._socket.close()

    def hear(self) -> list[dict[str, str]]:
        """Whatever has come and was not looked at yet, each message as its assignments."""
        self._receive()
        heard = list(self._unheard)
        self._unheard.clear()
        return heard

    def wait_for(self, key: str, *, count: int = 1, seconds: float = 20.0) -> dict[str, str]:
        """The next message with this key, or the ``count``-th from now; what comes behind it may still be looked at."""
        deadline = time.monotonic() + seconds
        while True:
            self._receive()
            while self._unheard:
                message = self._unheard.popleft()
                count -= key in message
                if count == 0:
                    return message
            assert time.monotonic() < deadline, (key, self.told)
            time.sleep(0.01)

    def _receive(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            message = dict(line.split("=", 1) for line in datagram.decode().splitlines())
            self.told.append(message)
            self._unheard.append(message)


@contextmanager
def supervising(address: str) -> Iterator[Supervising]:
    """A listening service manager, closed at the end."""
    supervisor = Supervising(address)
    try:
        yield supervisor
    finally:
        supervisor.close()
