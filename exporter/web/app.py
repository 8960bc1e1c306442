"""The Starlette app. Every path is a Route: a Mount would answer /metrics with a redirect."""

from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.typing import FilteringBoundLogger

from exporter.web.api.routes import api_routes
from exporter.web.interfaces import RunningExporter
from exporter.web.operations import Health, Reload
from exporter.web.pages import Pages
from exporter.web.responses import BusyError, RenderSlots, text
from exporter.web.scrape import Scrape

MAX_BODY_BYTES = 1 << 16


def create_app(exporter: RunningExporter, *, log: FilteringBoundLogger, slots: RenderSlots | None = None) -> Starlette:
    """The HTTP face of a running exporter; ``slots`` are those in which metrics and pages are rendered."""
    slots = slots or RenderSlots()
    pages, health = Pages(exporter, slots), Health(exporter)
    app = Starlette(
        routes=[
            Route("/", pages.landing),
            Route("/config", pages.config),
            Route("/metrics", Scrape(exporter, slots, log).metrics),
            *(Route(path, health.healthy) for path in ("/-/healthy", "/healthz", "/livez")),
            *(Route(path, health.ready) for path in ("/-/ready", "/readyz")),
            Route("/-/reload", Reload(exporter, log).reload, methods=["POST", "PUT"]),
            *api_routes(exporter, log=log),
        ],
        exception_handlers={HTTPException: _refused, BusyError: _busy, ClientDisconnect: _gone},
        max_body_size=MAX_BODY_BYTES,
    )
    app.router.redirect_slashes = False  # a scrape of /metrics/ is a mistake that should show
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    return text(refusal.detail, refusal.status_code, refusal.headers)


async def _busy(_request: Request, _error: Exception) -> Response:
    return text("too many requests at once: try again", 503, {"Retry-After": "1"})


async def _gone(_request: Request, _error: Exception) -> Response:
    """Whoever hangs up within a request is no fault of ours; nobody reads this answer."""
    return text("the request has ended too soon", 400)
