"""``/`` and ``/config``: pages for people, and the configuration as plain YAML for everything else."""

import asyncio
import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from exporter.settings.redact import as_yaml
from exporter.web.answers import html, text
from exporter.web.dependencies import RunningExporter
from exporter.web.landing import landing
from exporter.web.renders import Renders


class Pages:
    """Answers people."""

    def __init__(self, exporter: RunningExporter, renders: Renders) -> None:
        self._exporter = exporter
        self._renders = renders
        loader = PackageLoader("exporter.web")
        environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        style = environment.get_template("style.css").render()
        environment.globals["style"] = style
        self._style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._landing = environment.get_template("landing.html")
        self._config = environment.get_template("config.html")

    async def landing(self, _request: Request) -> Response:
        """What runs, and how it does."""
        async with self._renders.place():
            exporter = self._exporter
            page = await asyncio.to_thread(
                landing,
                exporter.snapshot(),
                exporter.settings.task_groups,
                faults=exporter.faults,
                unready=exporter.unready,
            )
            return html(await asyncio.to_thread(self._landing.render, page=page), style_hash=self._style_hash)

    async def config(self, request: Request) -> Response:
        """The configuration in force, without secrets."""
        async with self._renders.place():
            shown = await asyncio.to_thread(as_yaml, self._exporter.settings)
            if "text/html" not in request.headers.get("accept", ""):
                return text(shown.rstrip("\n"), headers={"Vary": "Accept"})
            return html(await asyncio.to_thread(self._config.render, yaml=shown), style_hash=self._style_hash)
