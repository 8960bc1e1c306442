"""The type of the fixture that opens a client of the web app."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import httpx

from exporter.web.dependencies import RunningExporter
from exporter.web.renders import Renders


class Browse(Protocol):
    """Opens a client of the app before an exporter."""

    def __call__(
        self, exporter: RunningExporter, renders: Renders | None = None
    ) -> AbstractAsyncContextManager[httpx.AsyncClient]: ...
