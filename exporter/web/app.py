"""The Starlette app and every path that it answers. Each is a Route: a Mount would answer /metrics with a redirect."""

from collections.abc import Mapping
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from structlog.typing import FilteringBoundLogger

from exporter.ledger.ledger import LedgerError
from exporter.summed import SummedLog
from exporter.web.api import callbacks, tasks
from exporter.web.api.access import Access, SecretFiles
from exporter.web.api.callbacks import Callbacks
from exporter.web.api.listing import TaskWalk
from exporter.web.api.refusals import Endpoint, Refusal, answered
from exporter.web.api.sd import ServiceDiscovery
from exporter.web.api.tasks import Tasks
from exporter.web.guesses import Guesses
from exporter.web.interfaces import RunningExporter
from exporter.web.look import SCRIPT, Look
from exporter.web.operations import Health, Reload
from exporter.web.pages import Pages
from exporter.web.probe import Probe
from exporter.web.responses import ALWAYS, BusyError, RenderSlots, text
from exporter.web.scrape import Scrape
from exporter.web.site import ROOT, Site
from exporter.web.task_pages.pages import TaskPages

MAX_BODY_BYTES = 1 << 16

HEALTHY = ("/-/healthy", "/healthz", "/livez")
READY = ("/-/ready", "/readyz")


def vital(site: Site = ROOT) -> frozenset[str]:
    """The paths that are answered even where there are too many connections for all others."""
    return frozenset(map(site.at, (site.metrics, *HEALTHY, *READY)))


def create_app(
    exporter: RunningExporter,
    *,
    log: FilteringBoundLogger,
    slots: RenderSlots | None = None,
    site: Site = ROOT,
    guesses: Guesses | None = None,
) -> Starlette:
    """The HTTP face of a running exporter; ``slots`` are those in which metrics and pages are rendered, ``guesses``
    those who try credentials elsewhere, too.
    """
    slots, summed = slots or RenderSlots(), SummedLog(log, exporter.clock)
    secrets = SecretFiles(exporter.clock, exporter.secrets.hide)
    guesses = guesses or Guesses(exporter.clock, count=exporter.credentials_refused, log=summed)
    access = Access(exporter, secrets, guesses, summed, origin=site.origin)
    look, walk, health = Look(site), TaskWalk(exporter.tasks), Health(exporter)
    pages, task_pages = Pages(exporter, access, slots, look), TaskPages(exporter, walk, access, look, site)
    at = site.at
    app = Starlette(
        routes=[
            Route(at(site.metrics), Scrape(exporter, slots, summed).metrics),  # on "/", instead of the landing page
            Route(at("/"), pages.landing),
            *_ways_home(site),
            Route(at("/config"), pages.config),
            Route(at("/tasks"), task_pages.tasks),
            Route(at("/tasks/{id:path}"), task_pages.task),
            Route(at(f"/static/{SCRIPT}"), look.script),
            *(Route(at(path), health.healthy) for path in HEALTHY),
            *(Route(at(path), health.ready) for path in READY),
            Route(at("/-/reload"), Reload(exporter, access, log).reload, methods=["POST", "PUT"]),
            *api_routes(exporter, access, Callbacks(exporter, secrets, guesses), walk=walk, summed=summed, site=site),
        ],
        exception_handlers={
            HTTPException: _refused,
            Refusal: _not_for_you,
            BusyError: _busy,
            LedgerError: _unable,
            ClientDisconnect: _gone,
        },
        max_body_size=MAX_BODY_BYTES,
    )
    app.router.redirect_slashes = False  # a scrape of /metrics/ is a mistake that should show
    return app


def api_routes(
    exporter: RunningExporter,
    access: Access,
    hints: Callbacks,
    *,
    walk: TaskWalk,
    summed: SummedLog,
    site: Site = ROOT,
) -> list[Route]:
    """Those of the API, of ``/sd`` and of ``/probe``. Ids and secrets may hold a slash, so they are paths."""
    slots = RenderSlots(waiting=None)  # of its own: no use of the API may have a scrape turned away
    some = Tasks(exporter, walk, access, slots)

    def route(path: str, endpoints: Mapping[str, Endpoint], max_body_size: int | None = None) -> Route:
        endpoint = answered(_by_method(endpoints), summed, exporter.secrets.mask)
        return Route(site.at(path), endpoint, methods=list(endpoints), max_body_size=max_body_size)

    return [
        route("/api/v1/tasks", {"GET": some.page, "POST": some.register}, tasks.MAX_BODY_BYTES),
        route("/api/v1/tasks/{id:path}", {"GET": some.show, "DELETE": some.remove}),
        route("/api/v1/callbacks/{group}/{secret:path}", {"POST": hints.take}, callbacks.MAX_BODY_BYTES),
        route("/sd", {"GET": ServiceDiscovery(walk, access, site).targets}),
        route("/probe", {"GET": Probe(exporter, access).probe}),
    ]


def _ways_home(site: Site) -> list[Route]:
    """Whoever leaves out the prefix or the slash behind it is led to the first page: its links are relative to it."""
    if not site.prefix:
        return []

    async def within(_request: Request) -> Response:
        return RedirectResponse(site.at("/"), 302, ALWAYS)

    async def outside(_request: Request) -> Response:
        return RedirectResponse(site.home, 302, ALWAYS)

    return [Route("/", within), Route(site.prefix, outside)]


def _by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    async def answer(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return answer


async def _refused(_request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    return text(refusal.detail, refusal.status_code, refusal.headers)


async def _not_for_you(_request: Request, error: Exception) -> Response:
    refused = cast("Refusal", error)
    return text("\n".join(str(each["message"]) for each in refused.errors), refused.status, refused.headers)


async def _busy(_request: Request, _error: Exception) -> Response:
    return text("too many requests at once: try again", 503, {"Retry-After": "1"})


async def _unable(_request: Request, _error: Exception) -> Response:
    return text("the ledger cannot be read now: try again", 503, {"Retry-After": "5"})


async def _gone(_request: Request, _error: Exception) -> Response:
    """Whoever hangs up within a request is no fault of ours; nobody reads this answer."""
    return text("the request has ended too soon", 400)
