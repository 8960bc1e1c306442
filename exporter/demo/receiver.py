"""Who is told of alerts: a webhook receiver that writes each notification of Alertmanager as a line."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.simulator.errors import SimulatorError
from exporter.simulator.files import checked
from exporter.web.server import WebServer

RECEIVER_PORT = 9095
"""That of the receivers in config/alertmanager.yml."""

MAX_BODY_BYTES = 1 << 20
MAX_REMEMBERED = 1000
MAX_LINE = 500

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
"""They are there in a checkout, and not in an installed package."""

KNOWN_LABELS = ("alertname", "severity", "job")
"""What the line says in another way, or what is the same in all of them."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as Alertmanager tells it; the last name is its own."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: str  # noqa: N815 - the name is Alertmanager's

    def line(self, receiver: str, at: float) -> str:
        """One line for a person: when, who is told of what, where it is, and what to read."""
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        where = " ".join(f"{name}={value}" for name, value in self.labels.items() if name not in KNOWN_LABELS)
        summary = self.annotations.get("summary", "")
        page = "" if self.status == "resolved" else _runbook(self.annotations.get("runbook_url", ""))
        words = (f"{receiver:8}", self.labels.get("alertname", "?"), f"{self.status:8}", where, summary, page)
        return _printable("  ".join((clock, *filter(None, words))))


@dataclass(frozen=True, slots=True)
class Notification:
    """What Alertmanager posts: alerts of one group, for one receiver."""

    receiver: str
    alerts: list[Alert]


class Receiver:
    """Tells of each change of an alert once: a group is sent again as a whole when one of it changes, and each hour."""

    def __init__(self, tell: Callable[[str], None], *, clock: Callable[[], float] = time.time) -> None:
        self._tell = tell
        self._clock = clock
        self._told: dict[tuple[str, frozenset[tuple[str, str]]], tuple[str, str]] = {}

    def app(self) -> Starlette:
        """The HTTP face: any path takes notifications."""
        return Starlette(
            routes=[Route("/", _greet, methods=["GET"]), Route("/{path:path}", self._take, methods=["POST"])],
            exception_handlers={ClientDisconnect: _gone},
            max_body_size=MAX_BODY_BYTES,
        )

    async def _take(self, request: Request) -> Response:
        try:
            notification = checked(Notification, json.loads(await request.body()), of="notification")
        except (ValueError, RecursionError, SimulatorError) as error:
            raise HTTPException(400, f"not a notification of Alertmanager: {error}\n") from error
        for line in self._news(notification):
            self._tell(line)
        return Response(status_code=204)

    def _news(self, notification: Notification) -> Iterator[str]:
        """A line for each alert that is not as it was last told."""
        for alert in notification.alerts:
            key, state = (notification.receiver, frozenset(alert.labels.items())), (alert.status, alert.startsAt)
            if self._told.pop(key, None) != state:
                yield alert.line(notification.receiver, self._clock())
            self._told[key] = state
        for key in list(self._told)[:-MAX_REMEMBERED]:
            del self._told[key]


@asynccontextmanager
async def receiving(listener: socket.socket, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Take notifications on a listening socket meanwhile."""
    server = WebServer(Receiver(tell).app(), [listener])
    serving = asyncio.create_task(server.serve())
    try:
        await server.started()
        yield
    finally:
        server.stop()
        await serving


def _runbook(url: str) -> str:
    """Its file where there is one, relative to where one works; else the address."""
    file = RUNBOOKS / url.rpartition("/")[2]
    if not file.is_file():
        return url
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def _printable(text: str) -> str:
    """The text without what would steer a terminal: labels hold what the API says."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= MAX_LINE else f"{shown[:MAX_LINE]}..."


async def _greet(_request: Request) -> Response:
    return PlainTextResponse("Alertmanager posts its notifications here.\n")


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)
