"""The type of the fixture that opens a client of the web app."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import httpx

from exporter.web.interfaces import RunningExporter
from exporter.web.responses import RenderSlots
from exporter.web.site import ROOT, Site


class Browse(Protocol):
    """Opens a client of the app before an exporter."""

    def __call__(
        self, exporter: RunningExporter, slots: RenderSlots | None = None, site: Site = ROOT
    ) -> AbstractAsyncContextManager[httpx.AsyncClient]: ...
