"""Crowds that connect and do nothing of use: whoever scrapes, asks for health or polls does not notice them.

The real program, with the limits of descriptors that a container or a service manager may set.
"""

import resource
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.e2e.scripted import family, until, write_config
from tests.support.processes import RunningExporter, start_exporter
from tests.support.scraped import Scraped
from tests.support.scripted_api import ScriptedApi

pytestmark = pytest.mark.e2e

IDS = [f"task-{number}" for number in range(20)]
CROWD = 1_080

REQUESTS = "bytespike_api_requests_total"
CLOSED = "bytespike_exporter_http_connections_closed_total"
OPEN = "bytespike_exporter_http_connections"

HALF_A_HEAD = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-"
HALF_A_BODY = (
    b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n["
)
IDLE = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def polling(directory: Path, *, descriptors: int | None = None) -> Iterator[tuple[RunningExporter, ScriptedApi]]:
    """An exporter that polls open tasks, and may have so many descriptors."""
    group = {"static_configs": [{"task_ids": IDS}], "api_config": {}}
    limits = {"max_in_flight": 2, "max_requests_per_second": 50}
    with ScriptedApi() as api:
        config = write_config(directory, api.url, groups={"renders": group}, limits=limits)
        with start_exporter(config) as exporter:
            if descriptors is not None:
                resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE, (descriptors, descriptors))
            yield exporter, api


@contextmanager
def crowd(exporter: RunningExporter, size: int, sent: bytes = b"") -> Iterator[Sequence[socket.socket]]:
    """So many connections that each send this and then nothing, and read nothing."""
    host, port = exporter.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        sockets = []
        for _ in range(size):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what is not read stays where it came from
            client.settimeout(20)
            client.connect((host, int(port)))
            client.sendall(sent)
            sockets.append(client)
        yield sockets


def answers(exporter: RunningExporter, path: str) -> httpx.Response:
    """On a connection of its own, as a probe or a scrape after a break has it."""
    return httpx.get(f"{exporter.url}{path}", timeout=10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "descriptors"),
    [(b"", 1024), (b"", 64), (HALF_A_HEAD, 1024), (HALF_A_BODY, 64), (IDLE, 1024)],
    ids=["silent", "silent, few descriptors", "half a head", "half a body, few descriptors", "idle"],
)
def test_a_crowd_takes_no_place_from_scrapes_health_and_polls(tmp_path: Path, sent: bytes, descriptors: int) -> None:
    with polling(tmp_path, descriptors=descriptors) as (exporter, api):
        until(lambda: len(api.asked()) >= len(IDS), "all tasks asked about")
        with crowd(exporter, CROWD, sent):
            before = len(api.asked())
            for path in ("/metrics", "/-/healthy", "/-/ready"):
                assert answers(exporter, path).status_code == 200
            until(lambda: len(api.asked()) > before + len(IDS), "polling goes on")
            page = Scraped.of(exporter.url)
            assert page.sum(OPEN) <= min(544, descriptors - 48)
            assert page.sum("process_open_fds") < descriptors
        until(lambda: family(exporter.url, CLOSED).sum(CLOSED, reason="evicted") > 0, "the crowd is counted")
        assert exporter.stop() == 0
    assert "Traceback" not in exporter.output
    told = [line for line in exporter.events() if line["level"] in ("warning", "error")]
    assert len(told) <= 6, told


@pytest.mark.slow
def test_readers_that_read_nothing_hold_little_and_are_let_go(tmp_path: Path) -> None:
    """What was sent and not read is closed in about ten seconds, and a scrape beside it is answered."""
    with polling(tmp_path) as (exporter, _):
        with crowd(exporter, 100, 40 * b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
            before = rss(exporter)
            assert answers(exporter, "/metrics").status_code == 200
            until(lambda: family(exporter.url, CLOSED).sum(CLOSED, reason="write_timeout") > 0, "let go", seconds=30)
            assert rss(exporter) - before < 64 << 20
        assert exporter.stop() == 0
    assert "Traceback" not in exporter.output


@pytest.mark.slow
def test_slow_bodies_take_no_registration_from_anybody(tmp_path: Path) -> None:
    with polling(tmp_path) as (exporter, _), crowd(exporter, 100, HALF_A_BODY) as sockets:
        for number in range(3):
            body = [{"task_ids": [f"new-{number}"]}]
            answer = httpx.post(f"{exporter.url}/api/v1/tasks", json=body, timeout=10)
            assert answer.status_code == 200, answer.text
        assert not any(b" 429 " in said for said in heard(sockets)), "nobody was turned away for it"


def heard(sockets: Sequence[socket.socket]) -> list[bytes]:
    """What each of them has been told so far: nothing, while it is waited for."""
    said = []
    for each in sockets:
        each.setblocking(False)
        with suppress(BlockingIOError):
            said.append(each.recv(1 << 16))
    return said


def rss(exporter: RunningExporter) -> int:
    """Bytes of memory that it has."""
    status = Path(f"/proc/{exporter.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


@pytest.mark.slow
def test_at_the_end_readers_are_cut_off_without_a_line_for_each(tmp_path: Path) -> None:
    with polling(tmp_path) as (exporter, _), crowd(exporter, 50, 40 * b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
        time.sleep(1)
        assert exporter.stop() == 0
    assert "Traceback" not in exporter.output
    assert len([line for line in exporter.events() if line["level"] in ("warning", "error")]) <= 4
