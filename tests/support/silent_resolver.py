"""The exporter on a machine whose resolver never answers for names under ``.silent.test``: ``python -m`` this file."""

import socket
import threading
from typing import Any

from exporter.cli.main import main

SILENT = ".silent.test"


def never_answer(host: Any, *arguments: Any, **more: Any) -> Any:
    """Hang as the C library does: in the thread that asks, and nobody can interrupt it."""
    if str(host).endswith(SILENT):
        threading.Event().wait()
    return _asked(host, *arguments, **more)


_asked = socket.getaddrinfo

if __name__ == "__main__":
    socket.getaddrinfo = never_answer
    main()
