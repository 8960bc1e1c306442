"""Serving the simulator on a socket until a signal ends it."""

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from exporter.simulator.app import create_app
from exporter.simulator.callbacks import is_loopback_host
from exporter.simulator.errors import SimulatorError
from exporter.simulator.simulator import Simulator

DRAIN_SECONDS = 1


def listen(host: str, port: int, *, public: bool) -> socket.socket:
    """A listening socket (port 0: any free one); raises SimulatorError.

    The simulator has no secrets worth the name and can be steered by anyone: other than loopback only if asked for.
    """
    if not public and not is_loopback_host(host):
        raise SimulatorError(f"{host}:{port} is not a loopback address; --listen.public allows it")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SimulatorError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    # asyncio sets this only on sockets that name their protocol; without it each answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket) -> str:
    """The address to open."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(simulator: Simulator, listener: socket.socket, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is told the address once requests are taken."""
    # uvicorn raises the signal that stopped it once more: it has done its work by then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    asyncio.run(_serve(simulator, listener, ready))


async def _serve(simulator: Simulator, listener: socket.socket, ready: Callable[[str], None]) -> None:
    config = uvicorn.Config(
        create_app(simulator),
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _Server(config)
    server.ready = lambda: ready(url_of(listener))
    await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that says when it serves."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Let the process end in its own time."""
