"""What is refused before the app is asked: requests whose end cannot be told, and all but the vital in a crowd."""

from collections.abc import Collection
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.web.places import Places
from exporter.web.responses import text

CLOSE = {"Connection": "close"}


class Gate:
    """The app behind it is asked what may pass. ``vital`` are the paths that are answered however many there are."""

    def __init__(self, app: ASGIApp, places: Places, *, vital: Collection[str]) -> None:
        self._app = app
        self._places = places
        self._vital = frozenset(vital)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._refusal(scope) or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        if fault := _misframed(scope):
            return text(fault, HTTPStatus.BAD_REQUEST, CLOSE)
        if self._places.is_crowded and scope["path"] not in self._vital:
            return text(
                "too many connections: try again", HTTPStatus.SERVICE_UNAVAILABLE, {**CLOSE, "Retry-After": "1"}
            )
        return None


def _misframed(scope: Scope) -> str:
    """Why another server could see the request end elsewhere, and so another request behind it (RFC 9112, 6.1)."""
    names = {name for name, _ in scope["headers"]}
    if b"transfer-encoding" not in names:
        return ""
    if b"content-length" in names:
        return "Transfer-Encoding and Content-Length contradict each other"
    return "Transfer-Encoding needs HTTP/1.1" if scope["http_version"] != "1.1" else ""
