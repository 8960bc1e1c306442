"""``watch`` in a real pseudo-terminal and in a real pipe; only the exporter's answers are played."""

import json
import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.processes import PROJECT
from tests.support.terminal import LEFT_SCREEN, SHOWN_CURSOR, Terminal

pytestmark = pytest.mark.e2e

EVIL = "\x1b[2J\x1b]0;pwned\x07\u202e[red]x[/]\r\n日本語" + "\u0301" * 20
ID = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"


@dataclass
class Exporter:
    """What an exporter would answer, on a port that it can leave and come back to."""

    tasks: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.answer(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> bytes:
        url = urlsplit(path)
        if url.path == "/metrics":
            statuses = [task["status"] for task in self.tasks]
            lines = [
                f'bytespike_tasks{{account="a",group="g",model="",status="{status}"}} {statuses.count(status)}\n'
                for status in dict.fromkeys(statuses)
            ]
            return "".join(lines).encode()
        [status] = parse_qs(url.query)["status"]
        return json.dumps({"tasks": [task for task in self.tasks if task["status"] == status], "next": None}).encode()


def task(name: str, status: str, **fields: Any) -> dict[str, Any]:
    submitted = {"submitted_at": "2026-11-27T20:00:00.000Z", "estimated_seconds": 1e9}
    return {"account": "a", "group": "g", "task_id": name, "status": status, **submitted, **fields}


def is_whole(text: str) -> bool:
    """Whether the page reaches to the last line of the terminal."""
    return text.rpartition("\n")[2].startswith("q quit")


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    with Exporter([task(ID, "running"), task("task_bad", "failed", error_code="nope")]) as exporter:
        yield exporter


@pytest.mark.slow
def test_a_screen_from_the_first_look_to_the_last(exporter: Exporter) -> None:
    """Keys, another size, hostile names, an exporter that goes and comes back, and the terminal as it was."""
    elsewhere = {"COLUMNS": "80", "LINES": "24"}
    with Terminal("watch", "--url", exporter.url, "--interval", "500ms", env=elsewhere) as terminal:
        shown = terminal.until(lambda text: ID in text)
        assert "tasks 2  failed 1  running 1" in shown
        assert shown.splitlines()[-1].startswith("q quit")

        terminal.press("f")
        terminal.until(lambda text: ID in text and "task_bad" not in text)
        terminal.press("f")
        terminal.until(lambda text: ID not in text and "task_bad" in text)
        terminal.press("\x1b/" + "q01h\r")
        terminal.until(lambda text: "/q01h" in text and "0-0 of 0" in text)
        terminal.press("\x1b")
        terminal.until(lambda text: "1-2 of 2" in text)

        terminal.resize(44, 12)
        narrow = terminal.until(lambda text: text.count("\n") == 11 and is_whole(text) and "task_01" in text)
        assert max(map(len, narrow.splitlines())) <= 44
        terminal.resize(120, 30)
        terminal.until(lambda text: is_whole(text) and "group" in text and ID in text)

        before = len(terminal.sent)
        exporter.tasks.append(task(EVIL, "failed", group=EVIL, error_code=EVIL, labels={EVIL: EVIL}))
        terminal.until(lambda text: r"\x1b[2J" in text and ID in text)
        assert b"pwned\x07" not in terminal.sent[before:]
        assert b"\x1b[2J" not in terminal.sent[before:]
        assert "\u202e".encode() not in terminal.sent

        exporter.__exit__()
        terminal.until(lambda text: "! no connection, for" in text and ID in text)
        with exporter:
            terminal.until(lambda text: "no connection" not in text and "tasks 3" in text)
            terminal.press("q")
            assert terminal.wait() == 0
        exporter.__enter__()
        assert terminal.attributes == terminal.before
        assert terminal.sent.rindex(LEFT_SCREEN) > terminal.sent.rindex(b"tasks")
        assert terminal.sent.rindex(SHOWN_CURSOR) > terminal.sent.rindex(b"tasks")


@pytest.mark.parametrize("how", ["ctrl-c", "SIGHUP"])
def test_however_it_ends_the_terminal_is_as_it_was(exporter: Exporter, how: str) -> None:
    with Terminal("watch", "--url", exporter.url) as terminal:
        terminal.until(lambda text: ID in text)
        assert terminal.attributes != terminal.before
        if how == "ctrl-c":
            terminal.press("\x03")
        else:
            terminal.send(signal.Signals[how])
        assert terminal.wait() == 0
        assert terminal.attributes == terminal.before
        assert terminal.sent.rindex(LEFT_SCREEN) > terminal.sent.rindex(b"tasks")


def test_ctrl_z_gives_the_terminal_back_for_as_long_as_it_is_stopped(exporter: Exporter) -> None:
    with Terminal("watch", "--url", exporter.url) as terminal:
        terminal.until(lambda text: ID in text)
        terminal.press("\x1a")
        terminal.until(lambda _: LEFT_SCREEN in terminal.sent)
        assert terminal.attributes == terminal.before
        terminal.sent.clear()
        terminal.send(signal.SIGCONT)
        terminal.until(lambda _: ID.encode() in terminal.sent)
        terminal.press("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize(
    ("env", "flags", "has_escapes"),
    [({"TERM": "dumb"}, [], False), ({"NO_COLOR": "1"}, ["--interval", "1s"], True)],
)
def test_a_terminal_that_can_do_less(
    exporter: Exporter, env: dict[str, str], flags: list[str], has_escapes: bool
) -> None:
    with Terminal("watch", "--url", exporter.url, *flags, env=env, columns=200) as terminal:
        terminal.until(lambda text: "task_bad" in text and "running" in text)
        assert (b"\x1b" in terminal.sent) is has_escapes
        assert b"\x1b[1;31m" not in terminal.sent
        assert b"\x1b[36m" not in terminal.sent
        terminal.press("\x03")
        assert terminal.wait() == 0


HEEDS_INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "exporter", *sys.argv[1:]])
"""
"""Where the tests run in the background of a shell, it would ignore them."""


@pytest.mark.slow
def test_a_pipe_has_a_line_for_each_change(exporter: Exporter, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HEEDS_INTERRUPTS, "watch", "--url", exporter.url, "--interval", "500ms"]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=tmp_path) as watching:
        assert watching.stdout
        try:
            first = [watching.stdout.readline() for _ in range(2)]
            exporter.tasks[0]["status"] = "completed"
            then = [watching.stdout.readline() for _ in range(2)]
        finally:
            with suppress(ProcessLookupError):
                watching.send_signal(signal.SIGINT)
            assert watching.wait(60) == 0
    assert ["status=failed" in first[0], "followed=2" in first[1]] == [True, True]
    assert [f"status=completed task_id={ID}" in then[0], "completed=1" in then[1]] == [True, True]
    assert all(line.rstrip("\n").isprintable() for line in (*first, *then))


@pytest.mark.slow
def test_a_wait_that_is_interrupted_gives_the_cursor_back(tmp_path: Path) -> None:
    """``query --wait`` draws bars, against an API that says the task runs on for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"task_id": ID, "status": "running", "estimated_seconds": 600}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        config = tmp_path / "exporter.yml"
        url = f"http://127.0.0.1:{server.server_port}"
        config.write_text(f"accounts: [{{name: a, base_url: '{url}', api_key_env: KEY}}]\ntask_groups: []\n")
        env = {"KEY": "sk-byts-0123456789abcdef"}
        with Terminal("query", ID, "--wait", "--config.file", str(config), env=env, columns=120) as terminal:
            terminal.until(lambda text: "running" in text and "of 10m" in text)
            terminal.press("\x03")
            assert terminal.wait() == 256 - signal.SIGINT
            assert terminal.sent.rindex(SHOWN_CURSOR) > terminal.sent.rindex(b"running")
            assert terminal.attributes[:3] == termios.tcgetattr(terminal._inner)[:3] == terminal.before[:3]
        server.shutdown()
