"""The simulator over HTTP: a Starlette application, and serving it on a socket until a signal ends it."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from exporter.simulator import endpoints
from exporter.simulator.admin import Admin
from exporter.simulator.answers import error_answer, money_headers
from exporter.simulator.books import UNKNOWN
from exporter.simulator.callbacks import is_loopback_host
from exporter.simulator.errors import ApiError, SimulatorError
from exporter.simulator.gate import Gate, Handler, secret_of
from exporter.simulator.simulator import Simulator

NO_ROUTE = (404, "not_found_error", "not_found", "No such route.")
NO_METHOD = (405, "invalid_request_error", "method_not_allowed", "Not with this method.")
"""The code of the first is published, the answer to a wrong method is invented."""

DRAIN_SECONDS = 1


def create_app(simulator: Simulator) -> Starlette:
    """The HTTP face of a simulator; its lifespan runs the simulator's own work (time, callbacks, load)."""

    def route(method: str, path: str, endpoint: str, handler: Handler) -> Route:
        return Route(path, Gate(simulator, endpoint, handler), methods=[method])

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(simulator.run())
        yield
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work

    return Starlette(
        routes=[
            route("POST", "/v1/tasks/query", "query", endpoints.query),
            route("POST", "/v1/tasks/submit", "submit", endpoints.submit),
            route("POST", "/v1/tasks/cancel", "cancel", endpoints.cancel),
            route("POST", "/v1/tasks/cancel/{task_id}", "cancel", endpoints.cancel),
            route("GET", "/v1/tasks/stream/{task_id}", "stream", endpoints.stream),
            route("GET", "/api/v1/me/account", "account", endpoints.account),
            Admin(simulator).mount(),
        ],
        exception_handlers={404: _refuser(simulator, NO_ROUTE), 405: _refuser(simulator, NO_METHOD)},
        lifespan=lifespan,
    )


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
    server = _server(simulator)
    server.ready = lambda: ready(url_of(listener))

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # for what comes before uvicorn handles them; it raises the one that stopped it once more, and nothing is left to do
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    asyncio.run(server.serve(sockets=[listener]))


def _refuser(simulator: Simulator, refusal: tuple[int, str, str, str]) -> ExceptionHandler:
    """Answers a bad path or method in the API's envelope, booked as the endpoint ``other``."""

    async def refuse(request: Request, _error: Exception) -> Response:
        caller = simulator.keyring.find(secret_of(request.headers))
        account = caller.account.name if caller else UNKNOWN
        with simulator.traffic.track(account, "other", now=simulator.now()) as tracked:
            response = error_answer(ApiError(*refusal), simulator.options.error_shape)
            tracked.status = response.status_code
        if caller is not None:
            response.headers.update(money_headers(simulator.backend, caller))
        return response

    return refuse


def _server(simulator: Simulator) -> "_Server":
    config = uvicorn.Config(
        create_app(simulator),
        http="h11",  # not whichever is installed
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """A server that says when it serves."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()
