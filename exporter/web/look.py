"""How pages are made of what they say: the templates, the one style sheet in all of them, and the one script."""

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from exporter.web.responses import ALWAYS, html
from exporter.web.site import Site

SCRIPT = "refresh.js"


class Look:
    """Renders pages. That takes its time, so it belongs in a thread."""

    def __init__(self, site: Site) -> None:
        loader = PackageLoader("exporter.web")
        self._environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        style = self._environment.get_template("style.css").render()
        self._environment.globals |= {"style": style, "site": site, "root": "", "script": f"static/{SCRIPT}"}
        self._style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._script = (files("exporter.web") / "static" / SCRIPT).read_bytes()

    def page(self, template: str, *, status: int = 200, refreshes: bool = False, **said: object) -> Response:
        """One page of a template. ``root`` is the way from it to the first page, empty where it stands beside that."""
        body = self._environment.get_template(template).render(said)
        return html(body, style_hash=self._style_hash, status=status, refreshes=refreshes)

    async def script(self, _request: Request) -> Response:
        """The script by which pages refresh themselves; it knows nothing, so it is for everybody."""
        return Response(self._script, headers=ALWAYS, media_type="text/javascript")
