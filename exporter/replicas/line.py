"""The line of a database connection, to be hung up by another thread: a server may hang while its kernel answers."""

import os
import socket
import threading
import weakref
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection


class Line:
    """None or one connection at a time. ``hang_up`` alone may be called beside another call, from any thread."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._changing = threading.Lock()

    def take(self, connection: Connection) -> None:
        """This is the connection from now on."""
        driver: Any = connection.connection.driver_connection
        # a descriptor of our own: the driver may close its own at any moment
        line = socket.socket(fileno=os.dup(driver.fileno()))
        weakref.finalize(self, line.close)  # as the driver does where nobody closes a connection
        self.let_go()
        with self._changing:
            self._socket = line

    def let_go(self) -> None:
        """There is none any more."""
        with self._changing:
            line, self._socket = self._socket, None
        if line is not None:
            line.close()

    def hang_up(self) -> None:
        """Let whoever waits for the server hear that it is gone. A connection that is being made is not ended."""
        with self._changing:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
