from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import structlog

from exporter.web.app import create_app
from exporter.web.interfaces import RunningExporter
from exporter.web.responses import RenderSlots
from exporter.web.site import ROOT, Site
from tests.support.browse import Browse


@pytest.fixture
def browse() -> Browse:
    """A client of the app before an exporter."""

    @asynccontextmanager
    async def browse(
        exporter: RunningExporter, slots: RenderSlots | None = None, site: Site = ROOT
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(exporter, log=structlog.get_logger(), slots=slots, site=site)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:9877") as client:
            yield client

    return browse
