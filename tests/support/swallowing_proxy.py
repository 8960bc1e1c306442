"""A TCP proxy before a PostgreSQL server that may swallow the answer of COMMIT, and then cut the connection."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

COMMIT = b"COMMIT\x00"
CHUNK = 65_536


class SwallowingProxy:
    """``swallows`` is asked at each COMMIT whether its answer is lost; ``swallowed`` counts those that were.

    ``delay`` is asked at each question of a client how many seconds it takes on its way.
    """

    def __init__(
        self, upstream: Path, *, swallows: Callable[[], bool], delay: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._upstream = upstream
        self._swallows = swallows
        self._delay = delay
        self.swallowed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self._upstream))
            is_deaf = threading.Event()
            back = threading.Thread(target=self._pass_back, args=(server, client, is_deaf), daemon=True)
            back.start()
            while asked := client.recv(CHUNK):
                time.sleep(self._delay())
                if COMMIT in asked and self._swallows():
                    self.swallowed += 1
                    is_deaf.set()
                server.sendall(asked)
            server.shutdown(socket.SHUT_RDWR)
            back.join(20)

    def _pass_back(self, server: socket.socket, client: socket.socket, is_deaf: threading.Event) -> None:
        with suppress(OSError):  # a server that crashes resets the connection
            while answer := server.recv(CHUNK):
                if is_deaf.is_set():  # it is durable, and nobody is told
                    break
                client.sendall(answer)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
