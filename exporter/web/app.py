"""The Starlette app. Every path is a Route: a Mount would answer /metrics with a redirect."""

from collections.abc import Sequence
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from structlog.typing import FilteringBoundLogger

from exporter.web.answers import text
from exporter.web.dependencies import RunningExporter
from exporter.web.health import Health
from exporter.web.pages import Pages
from exporter.web.reload import Reload
from exporter.web.renders import BusyError, Renders
from exporter.web.scrape import Scrape

MAX_BODY_BYTES = 1 << 16


def create_app(
    exporter: RunningExporter,
    *,
    log: FilteringBoundLogger,
    renders: Renders | None = None,
    more: Sequence[BaseRoute] = (),
) -> Starlette:
    """The HTTP face of a running exporter; ``more`` are the routes of its API."""
    renders = renders or Renders()
    pages, health = Pages(exporter, renders), Health(exporter)
    app = Starlette(
        routes=[
            Route("/", pages.landing),
            Route("/config", pages.config),
            Route("/metrics", Scrape(exporter, renders, log).metrics),
            *(Route(path, health.healthy) for path in ("/-/healthy", "/healthz", "/livez")),
            *(Route(path, health.ready) for path in ("/-/ready", "/readyz")),
            Route("/-/reload", Reload(exporter, log).reload, methods=["POST", "PUT"]),
            *more,
        ],
        exception_handlers={HTTPException: _refused, BusyError: _busy},
        max_body_size=MAX_BODY_BYTES,
    )
    app.router.redirect_slashes = False  # a scrape of /metrics/ is a mistake that should show
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    return text(refusal.detail, refusal.status_code, refusal.headers)


async def _busy(_request: Request, _error: Exception) -> Response:
    return text("too many requests at once: try again", 503, {"Retry-After": "1"})
