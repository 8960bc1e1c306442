"""``/metrics``: one snapshot, taken on the loop and rendered in a thread."""

import asyncio
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from structlog.typing import FilteringBoundLogger

from exporter.metrics.exposition import Rendered, render, standard_collectors
from exporter.web.interfaces import RunningExporter
from exporter.web.responses import ALWAYS, RenderSlots, text

MAX_NAMES = 100
"""``name[]`` may be given so many times."""


class Scrape:
    """Answers scrapes."""

    def __init__(self, exporter: RunningExporter, slots: RenderSlots, log: FilteringBoundLogger) -> None:
        self._exporter = exporter
        self._slots = slots
        self._log = log
        self._standard = standard_collectors()

    async def metrics(self, request: Request) -> Response:
        """The page, or 500 with a reason: an empty 200 would look like a healthy exporter without tasks."""
        names = _names(request)
        async with self._slots.slot():
            try:
                rendered = await self._render(request, names)
            except Exception as error:  # noqa: BLE001 - whatever it is, the scrape must fail loudly
                self._log.exception("scrape_failed")
                return text(f"the metrics cannot be rendered ({type(error).__name__}): see the exporter's log", 500)
        if rendered.announced and await _is_read(request):
            self._exporter.announced(rendered.announced)
        return answer_of(rendered)

    async def _render(self, request: Request, names: list[str]) -> Rendered:
        return await asyncio.to_thread(
            partial(
                render,
                self._exporter.snapshot(),
                accept=_joined(request, "accept"),
                accept_encoding=_joined(request, "accept-encoding"),
                names=names,
                collectors=self._standard,
            )
        )


def _names(request: Request) -> list[str]:
    names = request.query_params.getlist("name[]")
    if len(names) > MAX_NAMES:
        raise HTTPException(400, f"name[]: at most {MAX_NAMES} names")
    return names


async def _is_read(request: Request) -> bool:
    """Whether somebody gets the page, as far as can be told: not where only its headers were asked for, and not where
    whoever asked has hung up meanwhile, as a scrape does that takes too long."""
    return request.method == "GET" and not await request.is_disconnected()


def _joined(request: Request, header: str) -> str:
    """A header that may come in several lines."""
    return ",".join(request.headers.getlist(header))


def answer_of(rendered: Rendered) -> Response:
    """A page of metrics with the headers that say what it is."""
    headers = {**ALWAYS, "Content-Type": rendered.content_type, "Vary": "Accept, Accept-Encoding"}
    if rendered.content_encoding:
        headers["Content-Encoding"] = rendered.content_encoding
    return Response(rendered.body, headers=headers)
