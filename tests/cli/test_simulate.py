"""The command: what it refuses, and a real process that starts, serves and stops."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from exporter.cli.simulate import ScenarioOption, command, parse_scenario

KEY = {"x-api-key": "sk-byts-demo"}
Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--listen", "192.0.2.1:0"], 3, "192.0.2.1:0 is not a loopback address; --listen.public allows it"),
        (["--listen", ":0"], 3, ":0 is not a loopback address"),
        (["--listen", "9879"], 2, "expected HOST:PORT"),
        (["--listen.public", "--listen", "192.0.2.1:0"], 3, "cannot listen on 192.0.2.1:0: "),
        (["--scenario", "earthquake@1s+1s"], 3, "no scenario is named 'earthquake'"),
        (["--scenario", "outage@later"], 2, '"later" is not a duration'),
        (["--response-latency", "long"], 2, '"long" is not a duration'),
        (["--load.rate", "-1"], 2, "-1.0 is not in the range"),
        (["--models.file", "absent.yml"], 2, "does not exist"),
    ],
)
def test_what_is_refused(args: list[str], code: int, message: str) -> None:
    result = CliRunner().invoke(command, args)
    assert (result.exit_code, message in result.output) == (code, True), result.output
    assert "Traceback" not in result.output


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yml"
    path.write_text("[]")
    result = CliRunner().invoke(command, ["--accounts.file", str(path)])
    assert (result.exit_code, result.output) == (3, "Error: accounts: at least one is needed\n")


def test_an_address_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(command, ["--listen", f"127.0.0.1:{taken.getsockname()[1]}"])
    assert result.exit_code == 3
    assert "Address already in use" in result.output


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def run(*args: str, listen: str = "127.0.0.1:0") -> tuple[subprocess.Popen[str], str]:
        argv = [sys.executable, "-m", "exporter", "simulate", "--listen", listen, *args]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"ByteSpike simulator on (http://\S+)\n", line)
        assert found, line
        return process, found[1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize(
    ("number", "listen"),
    [(signal.SIGTERM, "127.0.0.1:0"), (signal.SIGINT, "127.0.0.1:0"), (signal.SIGTERM, "[::1]:0")],
)
def test_a_signal_ends_it_quickly_even_while_it_streams(start: Start, number: signal.Signals, listen: str) -> None:
    process, url = start("--load.rate", "20", "--time-scale", "50", listen=listen)
    with httpx.Client(base_url=url, headers=KEY) as client:
        ids = client.post("/sim/tasks", json={"count": 1, "latency_seconds": 3600}).json()["task_ids"]
        with client.stream("GET", f"/v1/tasks/stream/{ids[0]}") as stream:
            assert next(stream.iter_lines()) == "event: status"
            began = time.monotonic()
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert time.monotonic() - began < 5


@pytest.mark.slow
@pytest.mark.e2e
def test_an_answer_that_breaks_its_promise_drops_the_connection(start: Start) -> None:
    process, url = start("--scenario", "garbage,kind=truncated")
    with httpx.Client(base_url=url, headers=KEY) as client:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                client.get("/api/v1/me/account")
        client.delete("/sim/scenarios/garbage")
        assert client.get("/api/v1/me/account").status_code == 200
        assert client.get("/sim/books").json()["traffic"]["demo"]["max_concurrent"] == 1
    process.terminate()
    assert process.communicate(timeout=30) == ("", "")


@pytest.mark.slow
@pytest.mark.e2e
def test_poison_on_the_wire(start: Start) -> None:
    process, url = start("--scenario", "poison,kind=closed,ratio=0")
    batch = {"count": 6, "poison": {"kind": "mixed"}, "out_task_id_prefix": "p"}
    told: list[object] = []
    with httpx.Client(base_url=url, headers=KEY, trust_env=False) as client:
        client.post("/sim/tasks", json=batch).raise_for_status()
        for number in range(6):
            try:
                answer = client.post("/v1/tasks/query", json={"out_task_id": f"p{number}"})
            except httpx.RemoteProtocolError as error:
                told.append(str(error))
            else:
                told.append(answer.status_code)
        assert client.get("/sim/books").json()["poison"]["closed"]["queries"] == 1
    assert told == [500, 200, "Server disconnected without sending a response.", 302, 200, 500]
    process.terminate()
    assert process.communicate(timeout=30) == ("", "")


@pytest.mark.slow
@pytest.mark.e2e
def test_an_end_is_not_noticed_by_a_client_that_has_left(start: Start) -> None:
    _, url = start()
    batch = {"count": 1, "latency_seconds": 0, "poison": {"kind": "slow", "seconds": 0.5}, "out_task_id_prefix": "s"}
    with httpx.Client(base_url=url, headers=KEY, trust_env=False) as client:
        client.post("/sim/tasks", json=batch).raise_for_status()
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/tasks/query", json={"out_task_id": "s0"}, timeout=0.1)
        counts = []
        for _ in range(2):
            while client.get("/sim/books").json()["traffic"]["demo"]["in_flight"]:
                time.sleep(0.05)
            counts.append(client.get("/sim/books").json()["detection"]["count"])
            client.post("/v1/tasks/query", json={"out_task_id": "s0"}).raise_for_status()
    assert counts == [0, 1]


@pytest.mark.slow
@pytest.mark.e2e
def test_a_callback_arrives(start: Start) -> None:
    bodies: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    _, url = start("--time-scale", "1000")
    with HTTPServer(("127.0.0.1", 0), Hook) as hook:
        served = threading.Thread(target=hook.handle_request)
        served.start()
        body = {"model": "sora-2", "params": {}, "callback_url": f"http://127.0.0.1:{hook.server_port}/"}
        said = httpx.post(f"{url}/v1/tasks/submit", json=body, headers=KEY, timeout=30).json()
        served.join(10)
    [payload] = bodies
    assert json.loads(payload)["task_id"] == said["task_id"]
    assert json.loads(payload)["status"] in ("completed", "failed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("outage", ScenarioOption("outage")),
        ("outage@30s", ScenarioOption("outage", 30.0)),
        ("outage@30s+1m", ScenarioOption("outage", 30.0, 60.0)),
        ("outage@+1m", ScenarioOption("outage", 0.0, 60.0)),
        ("garbage@0+2m,ratio=0.5,kind=html", ScenarioOption("garbage", 0.0, 120.0, {"ratio": "0.5", "kind": "html"})),
    ],
)
def test_scenarios(text: str, expected: ScenarioOption) -> None:
    assert parse_scenario(text) == expected


@pytest.mark.parametrize("text", ["", "@1s", "outage,ratio", "outage@soon", "outage@1s+x"])
def test_what_is_no_scenario(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected NAME@START|is not a duration"):
        parse_scenario(text)
