"""The simulator as a Starlette application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from exporter.simulator import endpoints
from exporter.simulator.admin import Admin
from exporter.simulator.answers import error_answer, money_headers
from exporter.simulator.errors import ApiError
from exporter.simulator.gate import Gate, Handler, secret_of
from exporter.simulator.simulator import Simulator
from exporter.simulator.stream import stream
from exporter.simulator.traffic import UNKNOWN

NO_ROUTE = (404, "not_found_error", "not_found", "No such route.")
NO_METHOD = (405, "invalid_request_error", "method_not_allowed", "Not with this method.")
"""The code of the first is published, the answer to a wrong method is invented."""


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
            route("GET", "/v1/tasks/stream/{task_id}", "stream", stream),
            route("GET", "/api/v1/me/account", "account", endpoints.account),
            Admin(simulator).mount(),
        ],
        exception_handlers={404: _refuser(simulator, NO_ROUTE), 405: _refuser(simulator, NO_METHOD)},
        lifespan=lifespan,
    )


def _refuser(simulator: Simulator, refusal: tuple[int, str, str, str]) -> ExceptionHandler:
    """Answers a bad path or method in the API's envelope, booked as the endpoint ``other``."""

    async def refuse(request: Request, _error: Exception) -> Response:
        caller = simulator.keyring.find(secret_of(request.headers))
        account = caller.account.name if caller else UNKNOWN
        with simulator.traffic.visit(account, "other", now=simulator.now()) as visit:
            response = error_answer(ApiError(*refusal), simulator.options.error_shape)
            visit.status = response.status_code
        if caller is not None:
            response.headers.update(money_headers(simulator.world, caller))
        return response

    return refuse
