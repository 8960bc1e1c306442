"""Ports of this machine: one for a server that does not tell which it took, and one where nobody answers."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from random import Random

FIRST = 20_000
RANGES = 10
"""They end below what the kernel gives to whoever asks for any port (from 32768): no other socket gets it meanwhile."""

EACH = 1_000
"""The ports of one process that runs tests."""


def free_port(environ: Mapping[str, str] = os.environ) -> int:
    """A port that nothing listens on, and that no other process of this run gives to a server."""
    number = int(environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % RANGES
    first = FIRST + number * EACH
    for port in Random().sample(range(first, first + EACH), EACH):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError(f"all ports from {first} to {first + EACH - 1} are taken")


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port that is somebody's who does not listen: every connection to it is refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        yield port
