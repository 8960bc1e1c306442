"""``/metrics``: one snapshot, taken on the loop, rendered in a thread, and sent piece by piece."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from exporter.metrics.exposition import Rendered, Renderer, Wanted, standard_collectors
from exporter.summed import SummedLog
from exporter.threads import in_thread
from exporter.web.interfaces import RunningExporter
from exporter.web.responses import ALWAYS, RenderSlots, Shared, text

SCRAPE_TIMEOUT = 10.0
"""Seconds that a scrape may take which does not say so: Prometheus's own default."""

PATIENCES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)

MAX_NAMES = 100
"""``name[]`` may be given so many times."""

BREATH = 0.0001
"""Seconds for which the thread that renders leaves the interpreter alone: the loop would wait 5 ms to be given it."""

PATIENCE = 120.0
"""Seconds that a page may take to be read; Prometheus gives up long before."""

MOST_PAGES = 8
"""So many pages are held for those who still read them. With 100,000 tasks, ages alone make 15 MB of each."""


@dataclass(frozen=True, slots=True)
class _Alike:
    """Requests for one page, which may take about as long; ``wanted`` is what the first of them has asked for."""

    page: Hashable
    patience: float
    wanted: Wanted = field(compare=False)


class Scrape:
    """Answers scrapes. Those that wait for the same page share it."""

    def __init__(self, exporter: RunningExporter, slots: RenderSlots, log: SummedLog) -> None:
        self._exporter = exporter
        self._log = log
        self._renderer = Renderer(standard_collectors(), breathe=partial(time.sleep, BREATH))
        self._pages = Shared(self._page, slots)
        self._whole = RenderSlots(waiting=None)  # there are as many of them as formats: none is turned away
        self._readers = Readers()

    async def metrics(self, request: Request) -> Response:
        """The page, or 500 with a reason: an empty 200 would look like a healthy exporter without tasks."""
        wanted = _wanted(request)
        alike = _Alike(wanted.page, patience_of(request.headers), wanted)
        page = await self._pages.get(alike, slots=None if wanted.names else self._whole)
        if isinstance(page, Exception):
            return text(f"the metrics cannot be rendered ({type(page).__name__}): see the exporter's log", 500)

        async def before_end() -> None:
            if page.announced and await _is_read(request):
                self._exporter.announced(page.announced)

        return PageResponse(page, readers=self._readers, before_end=before_end)

    async def _page(self, alike: _Alike) -> Rendered | Exception:
        """As of now: the snapshot is taken before anything else can happen."""
        try:
            return await in_thread(
                partial(self._renderer.render, self._exporter.snapshot(alike.patience), alike.wanted)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the scrape must fail loudly
            self._log.error("scrape_failed", type(error).__name__, exc_info=error)
            return error


async def _nothing() -> None:
    pass


@dataclass(slots=True)
class _Reading:
    """A page that is read now: the deadlines of its readers, and their number of the last step that any has made."""

    deadlines: set[asyncio.Timeout] = field(default_factory=set)
    step: int = 0


class Readers:
    """Those who are sent a page now. Whoever is slow holds it: of more than so many pages, those are given up of which
    nobody has taken a piece for longest. Whoever reads is not given up for those who do not.
    """

    def __init__(self, *, most_pages: int = MOST_PAGES) -> None:
        self._most = most_pages
        self._pages: dict[int, _Reading] = {}
        self._steps = 0

    @asynccontextmanager
    async def reading(self, page: Rendered) -> AsyncIterator[Callable[[], None]]:
        """Have somebody read a page, who calls what is yielded with each piece that was taken; raise TimeoutError
        within where that takes too long or must make room."""
        key = id(page)  # no other has it while somebody reads this one
        async with asyncio.timeout(PATIENCE) as deadline:
            reading = self._pages.setdefault(key, _Reading())
            reading.deadlines.add(deadline)
            self._step(reading)
            self._make_room()
            try:
                yield partial(self._step, reading)
            finally:
                reading.deadlines.discard(deadline)
                if not reading.deadlines and self._pages.get(key) is reading:
                    del self._pages[key]

    def _step(self, reading: _Reading) -> None:
        self._steps += 1
        reading.step = self._steps

    def _make_room(self) -> None:
        now = asyncio.get_running_loop().time()
        while len(self._pages) > self._most:
            slowest = min(self._pages, key=lambda key: self._pages[key].step)
            for deadline in self._pages.pop(slowest).deadlines:
                if not deadline.expired():
                    deadline.reschedule(now)


class PageResponse(Response):
    """A page of metrics, sent piece by piece, each when there is room for it: whoever does not read holds no copy.

    ``before_end`` is called when all but the last piece has gone: nobody has the page yet, and whoever waits gets it.
    """

    def __init__(
        self, page: Rendered, *, readers: Readers | None = None, before_end: Callable[[], Awaitable[None]] = _nothing
    ) -> None:
        headers = {
            **ALWAYS,
            "Content-Type": page.content_type,
            "Content-Length": str(page.length),
            "Vary": "Accept, Accept-Encoding",
        }
        if page.content_encoding:
            headers["Content-Encoding"] = page.content_encoding
        super().__init__(headers=headers)
        self._page = page
        self._readers = readers or Readers()
        self._before_end = before_end

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it; where nobody reads it, the connection is closed in the midst of it, which is told by its length."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        pieces = self._page.pieces if scope["method"] != "HEAD" else ()
        try:
            async with self._readers.reading(self._page) as taken:
                await send(start)  # waits, too, where an answer before this one has not been read
                for piece in pieces[:-1]:
                    await send({"type": "http.response.body", "body": piece.plain(), "more_body": True})
                    taken()
                    await asyncio.sleep(0)  # a reader that keeps up must not have the loop to itself
                await self._before_end()
                await send({"type": "http.response.body", "body": pieces[-1].plain() if pieces else b""})
        except TimeoutError:
            return


def told_timeout(headers: Mapping[str, str]) -> float | None:
    """Seconds after which Prometheus gives the scrape up, where it says so."""
    try:
        told = float(headers.get("x-prometheus-scrape-timeout-seconds", ""))
    except ValueError:
        return None
    return told if math.isfinite(told) else None


def patience_of(headers: Mapping[str, str]) -> float:
    """Seconds that a scrape may take: one of a few, so that most share a page; too long is on the safe side."""
    told = told_timeout(headers)
    return next(
        (seconds for seconds in PATIENCES if seconds >= (SCRAPE_TIMEOUT if told is None else told)), PATIENCES[-1]
    )


def _wanted(request: Request) -> Wanted:
    names = request.query_params.getlist("name[]")
    if len(names) > MAX_NAMES:
        raise HTTPException(400, f"name[]: at most {MAX_NAMES} names")
    return Wanted(_joined(request, "accept"), _joined(request, "accept-encoding"), tuple(names))


async def _is_read(request: Request) -> bool:
    """Whether somebody gets the page, as far as can be told: not where only its headers were asked for, and not where
    whoever asked has hung up meanwhile, as a scrape does that takes too long."""
    return request.method == "GET" and not await request.is_disconnected()


def _joined(request: Request, header: str) -> str:
    """A header that may come in several lines."""
    return ",".join(request.headers.getlist(header))
