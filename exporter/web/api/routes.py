"""The routes of the API, of ``/sd`` and of ``/probe``."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.typing import FilteringBoundLogger

from exporter.web.api import callbacks, tasks
from exporter.web.api.access import Access, SecretFiles
from exporter.web.api.callbacks import Callbacks
from exporter.web.api.listing import TaskWalk
from exporter.web.api.refusals import Endpoint, answered
from exporter.web.api.sd import ServiceDiscovery
from exporter.web.api.tasks import Tasks
from exporter.web.interfaces import RunningExporter
from exporter.web.probe import Probe
from exporter.web.responses import RenderSlots


def api_routes(exporter: RunningExporter, *, log: FilteringBoundLogger) -> list[Route]:
    """All of them. Ids and secrets may hold a slash, so they are paths."""
    secrets = SecretFiles(exporter.clock)
    access = Access(lambda: exporter.settings, secrets, log)
    walk = TaskWalk(exporter.tasks)
    slots = RenderSlots(waiting=None)  # of its own: no use of the API may have a scrape turned away
    some, hints = Tasks(exporter, walk, access, slots), Callbacks(exporter, secrets)

    def route(path: str, endpoints: Mapping[str, Endpoint], max_body_size: int | None = None) -> Route:
        endpoint = answered(_by_method(endpoints), log)
        return Route(path, endpoint, methods=list(endpoints), max_body_size=max_body_size)

    return [
        route("/api/v1/tasks", {"GET": some.page, "POST": some.register}, tasks.MAX_BODY_BYTES),
        route("/api/v1/tasks/{id:path}", {"GET": some.show, "DELETE": some.remove}),
        route("/api/v1/callbacks/{group}/{secret:path}", {"POST": hints.take}, callbacks.MAX_BODY_BYTES),
        route("/sd", {"GET": ServiceDiscovery(walk, access, slots).targets}),
        route("/probe", {"GET": Probe(exporter, access).probe}),
    ]


def _by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    async def answer(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return answer
