"""An exporter's API as far as registering goes, on a real socket. It says what a test wants."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Items = list[dict[str, Any]]
Said = tuple[int, Mapping[str, str], object]
"""Status, headers, and what is sent as JSON."""

TAKEN: Said = (200, {}, {"status": "success", "tasks": []})


@dataclass
class Registering:
    """What came: the items of each request, and its headers."""

    url: str = ""
    requests: list[Items] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    """The ids of the requests that were answered with 200."""


@contextmanager
def registering(answer: Callable[[Items], Said] = lambda _: TAKEN) -> Iterator[Registering]:
    """A server that answers each request as ``answer`` says."""
    found = Registering()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.requests.append(items)
            found.headers.append(dict(self.headers))
            found.paths.append(self.path)
            status, headers, said = answer(items)
            body = json.dumps(said).encode()
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | dict(headers)).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if status == 200:
                found.taken += [name for item in items for name in item["task_ids"]]

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
