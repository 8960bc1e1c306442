"""Choosing a port on this machine."""

import socket


def free_or_any(port: int) -> int:
    """The port where nothing listens on it, else 0: any free one."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return 0
    return port


def free(port: int) -> int:
    """The port where nothing listens on it, else another: for programs that do not tell which one they took."""
    with socket.create_server(("127.0.0.1", free_or_any(port))) as listener:
        taken: int = listener.getsockname()[1]
        return taken
