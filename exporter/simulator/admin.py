"""``/sim/…``: looking into the simulator and steering it. All invented, and for loopback clients only."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.simulator.answers import json_answer
from exporter.simulator.batch import Batch
from exporter.simulator.callbacks import is_loopback_host
from exporter.simulator.errors import ApiError, SimulatorError
from exporter.simulator.files import checked
from exporter.simulator.scenarios import Seconds
from exporter.simulator.simulator import Simulator

MAX_BODY_BYTES = 1 << 16
MAX_PAGE = 10_000
MAX_DIGITS = 15

Endpoint = Callable[[Request], Awaitable[Response]]


class LoopbackOnly:
    """Turns away everybody who is not on this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = (scope.get("client") or ("", 0))[0]
        app = self._app if is_loopback_host(host) else PlainTextResponse("for loopback clients only\n", 403)
        await app(scope, receive, send)


class Admin:
    """The admin endpoints of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def mount(self) -> BaseRoute:
        """All of them under ``/sim``."""
        routes = [
            Route("/books", self.books, methods=["GET"]),
            Route("/traffic", self.traffic, methods=["GET"]),
            Route("/tasks", _with_errors_as_text(self.tasks), methods=["GET"]),
            Route("/tasks", _with_errors_as_text(self.submit), methods=["POST"]),
            Route("/sd", _with_errors_as_text(self.sd), methods=["GET"]),
            Route("/scenarios", self.scenarios, methods=["GET"]),
            Route("/scenarios", _with_errors_as_text(self.switch_on), methods=["POST"]),
            Route("/scenarios/{name}", self.switch_off, methods=["DELETE"]),
            Route("/keys/{name}/revoke", _with_errors_as_text(self.revoke), methods=["POST"]),
            Route("/keys/{name}/restore", _with_errors_as_text(self.restore), methods=["POST"]),
        ]
        mount = Mount("/sim", routes=routes, max_body_size=MAX_BODY_BYTES)
        mount.app = LoopbackOnly(mount.app)
        return mount

    async def books(self, _request: Request) -> Response:
        return json_answer(self._simulator.books())

    async def traffic(self, _request: Request) -> Response:
        return json_answer(self._simulator.traffic.log())

    async def tasks(self, request: Request) -> Response:
        """One page; ``next_offset`` is null on the last one."""
        offset = _number(request, "offset", default=0, least=0, most=1 << 40)
        limit = _number(request, "limit", default=1000, least=1, most=MAX_PAGE)
        page = self._simulator.tasks(offset=offset, limit=limit)
        total = len(self._simulator.backend)
        after = offset + len(page)
        return json_answer({"tasks": page, "total": total, "next_offset": after if after < total else None})

    async def submit(self, request: Request) -> Response:
        """A batch of tasks; answers with their ids, in order."""
        tasks = self._simulator.submit_many(checked(Batch, await _body(request), of="batch"))
        ids = {"task_ids": [task.task_id for task in tasks], "out_task_ids": [task.out_task_id for task in tasks]}
        return json_answer(ids, 201)

    async def sd(self, request: Request) -> Response:
        within = _number(request, "finished_within", default=3600, least=0, most=1 << 40)
        return json_answer(self._simulator.sd(account=request.query_params.get("account", ""), finished_within=within))

    async def scenarios(self, _request: Request) -> Response:
        return json_answer(self._simulator.scenarios())

    async def switch_on(self, request: Request) -> Response:
        """``{"name", "duration_seconds", "after_seconds", "params"}``; without a duration it stays on."""
        said = await _body(request)
        if unknown := set(said) - {"name", "duration_seconds", "after_seconds", "params"}:
            raise SimulatorError(f"unknown: {', '.join(sorted(unknown))}")
        duration = said.get("duration_seconds")
        scenario = self._simulator.scenario(
            checked(str, said.get("name"), of="name"),
            after=checked(Seconds, said.get("after_seconds", 0.0), of="after_seconds"),
            duration=None if duration is None else checked(Seconds, duration, of="duration_seconds"),
            params=checked(dict[str, Any], said.get("params", {}), of="params"),
        )
        return json_answer(scenario, 201)

    async def switch_off(self, request: Request) -> Response:
        found = self._simulator.end_scenario(request.path_params["name"])
        return Response(status_code=204) if found else PlainTextResponse("not switched on\n", 404)

    async def revoke(self, request: Request) -> Response:
        self._simulator.revoke(request.path_params["name"])
        return Response(status_code=204)

    async def restore(self, request: Request) -> Response:
        self._simulator.restore(request.path_params["name"])
        return Response(status_code=204)


def _with_errors_as_text(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its errors told as plain text."""

    async def told(request: Request) -> Response:
        try:
            return await endpoint(request)
        except SimulatorError as error:
            return PlainTextResponse(f"{error}\n", 400)
        except ApiError as error:
            return PlainTextResponse(f"{error.message}\n", error.status)

    return told


async def _body(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise SimulatorError("the body is not JSON") from error
    return checked(dict[str, Any], value, of="body")


def _number(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if len(text) > MAX_DIGITS or not text.isdecimal() or not least <= int(text) <= most:
        raise SimulatorError(f"{name}: a whole number from {least} to {most} is needed")
    return int(text)
