"""A receiver of Alertmanager's notifications that remembers them."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self

MAX_BODY_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Told:
    """One alert in one notification. ``at`` is Unix seconds of its arrival, ``receiver`` who was told."""

    at: float
    receiver: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    is_resolved: bool


class Webhook:
    """Takes notifications at ``url``/RECEIVER while its ``with`` block lasts."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._notifications: list[tuple[Told, ...]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def told(self) -> list[Told]:
        """Everything so far, in the order of its arrival."""
        return [told for notification in self.notifications() for told in notification]

    def notifications(self) -> list[tuple[Told, ...]]:
        """The same, by what was told at once."""
        with self._lock:
            return list(self._notifications)

    def take(self, path: str, body: bytes) -> None:
        """Remember one notification."""
        now, receiver = time.time(), path.rpartition("/")[2]
        alerts = json.loads(body)["alerts"]
        with self._lock:
            self._notifications.append(tuple(_read(alert, now, receiver) for alert in alerts))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers["Content-Length"]), MAX_BODY_BYTES)
                webhook.take(self.path, self.rfile.read(length))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _read(alert: Mapping[str, Any], now: float, receiver: str) -> Told:
    labels = alert["labels"]
    is_resolved = alert["status"] == "resolved"
    return Told(now, receiver, labels["alertname"], labels, alert["annotations"], is_resolved=is_resolved)
