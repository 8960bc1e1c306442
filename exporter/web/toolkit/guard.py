"""Stands before the app: what the toolkit does with every request, whatever its path and in the same order.

A wrong web configuration is 500, too many requests are 429, the headers are set, and users show their passwords. No
path is left out, those of the probes neither.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.web.api.access import USER
from exporter.web.api.refusals import Refusal
from exporter.web.responses import text
from exporter.web.toolkit.limit import RateLimit
from exporter.web.toolkit.passwords import BusyError, Passwords
from exporter.web.toolkit.settings import WebSettings

Headers = list[tuple[bytes, bytes]]


class Guard:
    """An ASGI app around another one. ``current`` is the web configuration as it is now, None while it is wrong.

    ``refused`` is told of whom a wrong password came from (an address, empty where it is not known), and returns when
    that may be answered; a Refusal of its own is answered instead.
    """

    def __init__(
        self,
        app: ASGIApp,
        current: Callable[[], WebSettings | None],
        *,
        passwords: Passwords,
        refused: Callable[[str], Awaitable[None]],
        limit: RateLimit | None = None,
    ) -> None:
        self._app = app
        self._current = current
        self._passwords = passwords
        self._refused = refused
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        settings = self._current()
        answer: ASGIApp
        if settings is None:
            answer = _error(500, "Internal Server Error")
        elif self._limit and not self._limit.allows():
            answer = _error(429, "Too Many Requests")
        else:
            if settings.http_server_config.headers:
                send = _with_headers(send, _as_bytes(settings.http_server_config.headers))
            answer = await self._refusal(scope, settings.basic_auth_users) or self._app
        await answer(scope, receive, send)

    async def _refusal(self, scope: Scope, users: Mapping[str, str]) -> Response | None:
        """What somebody is told who is none of the users; None to one who is, and to all where there are none."""
        if not users:
            return None
        try:
            if (given := basic_auth(scope["headers"])) is not None:
                if await self._passwords.is_right(users, *given):
                    scope.setdefault("state", {})[USER] = given[0]
                    return None
                await self._refused((scope.get("client") or ("",))[0])
        except Refusal as raised:
            return text("\n".join(str(each["message"]) for each in raised.errors), raised.status, raised.headers)
        except BusyError:
            return text("too many passwords are being looked at: try again", 503, {"Retry-After": "1"})
        return _error(401, "Unauthorized", {"WWW-Authenticate": "Basic"})


def basic_auth(headers: Headers) -> tuple[str, bytes] | None:
    """User and password of a request's first Authorization header, as Go's ``Request.BasicAuth`` reads them."""
    value = next((value for name, value in headers if name == b"authorization"), b"")
    if value[:6].lower() != b"basic ":
        return None
    try:
        both = base64.b64decode(value[6:].translate(None, b"\r\n"), validate=True)
    except binascii.Error:
        return None
    user, colon, password = both.partition(b":")
    return (user.decode(errors="surrogateescape"), password) if colon else None


def _error(status: int, body: str, headers: Mapping[str, str] | None = None) -> Response:
    """As Go's ``http.Error`` writes it."""
    return PlainTextResponse(f"{body}\n", status, {"X-Content-Type-Options": "nosniff", **(headers or {})})


def _with_headers(send: Send, headers: Headers) -> Send:
    """Those headers in the answer, where the app does not set them itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message.get("headers", ())}
            added = [(name, value) for name, value in headers if name not in own]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending


def _as_bytes(headers: Mapping[str, str]) -> Headers:
    """Headers as they are sent: a line break within one is a space."""
    clean = {name: value.replace("\n", " ").replace("\r", " ").strip() for name, value in headers.items()}
    return [(name.lower().encode(), value.encode()) for name, value in clean.items()]
