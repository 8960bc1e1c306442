"""Any bytes on a connection: odd headers, broken framing, bodies that stop or stall, ends in the midst.

Whatever is sent, the answers are whole, none is a 5xx but the documented 503, and the log has no traceback and no line
for each.
"""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.scripted import write_config
from tests.support.processes import RunningExporter, start_exporter

pytestmark = pytest.mark.e2e

EXAMPLES = 400
WAIT_SECONDS = 0.15
"""So long whoever has sent everything waits for an answer that may not come."""

MOST_LINES = 40

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")

PATHS = (
    b"/",
    b"/metrics",
    b"/-/healthy",
    b"/-/ready",
    b"/api/v1/tasks",
    b"/api/v1/tasks/t",
    b"/sd",
    b"/probe?task_id=t",
)
MORE_PATHS = (
    b"/api/v1/callbacks/renders/s3cret",
    b"*",
    b"//",
    b"/%ff%00",
    b"/metrics?name[]=%zz",
    b"http://x/metrics",
    b"x:1",
)

some_bytes = st.binary(max_size=40)
methods = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"get", b"PRI"]
)
targets = st.sampled_from(PATHS + MORE_PATHS) | some_bytes
versions = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1 ", b"http/1.1", b""])
line_ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\n\r"])

FRAMING = (
    b"Host: localhost",
    b"Host: x",
    b"Host: x\r\nHost: y",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: 5, 5",
    b"Content-Length: 5, 6",
    b"Content-Length: -5",
    b"Content-Length: +5",
    b"Content-Length: 5000000000000000000000",
    b"Content-Length: 0x5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Expect: 100-continue",
    b"Expect: something",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings",
    b"Connection: close",
    b"Connection: keep-alive, \xff",
    b"Content-Type: application/json",
    b"Content-Encoding: gzip",
    b"Accept: text/html;q=\xb2, */*;q=0.\xe9",
    b"Accept: application/openmetrics-text; version=9" + b"9" * 400,
    b"Accept-Encoding: gzip;q=NaN, *;q=-1",
    b"Authorization: Bearer \xff\xfe",
    b"Authorization: Basic %%%",
    b"X-Prometheus-Scrape-Timeout-Seconds: 1e309",
    b"Origin: null\r\nSec-Fetch-Site: cross-site",
    b"X-Folded: a\r\n b",
    b"X-Long: " + b"a" * 9000,
    b": empty",
    b"no colon",
)
headers = st.lists(st.sampled_from(FRAMING) | some_bytes, max_size=6)
chunks = st.sampled_from(
    [
        b"0\r\n\r\n",
        b"5\r\n[1,2]\r\n0\r\n\r\n",
        b"5;x=\xff\r\n[1,2]\r\n",
        b"zz\r\n",
        b"-1\r\n",
        b"fffffffffffffffff\r\n",
        b"5\r\n[1",
    ]
)
bodies = (
    st.sampled_from([b"", b"[1,2]", b"{}", b'[{"task_ids": ["a"]}]', b"[" * 3000, b"\x00" * 70_000])
    | chunks
    | some_bytes
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request, more or less."""
    end = draw(line_ends)
    line = b" ".join((draw(methods), draw(targets), draw(versions)))
    return line + end + b"".join(header + end for header in draw(headers)) + end + draw(bodies)


ends = st.sampled_from(["waits", "hangs up", "resets", "says that it is done"])


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExporter]:
    directory = tmp_path_factory.mktemp("framing")
    (directory / "secret").write_text("s3cret")
    callbacks = {"secret_file": str(directory / "secret")}
    groups = {"renders": {"api_config": {}, "callback_config": callbacks}}
    with start_exporter(write_config(directory, "http://127.0.0.1:9", groups=groups)) as running:
        yield running
        assert httpx.get(f"{running.url}/-/healthy", timeout=30).status_code == 200
        assert running.stop() == 0
        _assert_quiet(running)


@pytest.mark.slow
@given(sent=st.lists(requests(), min_size=1, max_size=3), cut=st.integers(0, 300), end=ends, pause=st.booleans())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_whatever_is_sent_the_answers_are_those_that_are_described(
    exporter: RunningExporter, sent: list[bytes], cut: int, end: str, pause: bool
) -> None:
    everything = b"".join(sent)
    everything = everything[: len(everything) - cut] if cut < len(everything) else everything
    answers = _answers(exporter, everything, end, pause=pause)
    for status in map(int, STATUS.findall(answers)):
        assert status < 500 or status == 503, answers
    assert not answers or answers.startswith(b"HTTP/1.1 ")


def _answers(exporter: RunningExporter, sent: bytes, end: str, *, pause: bool) -> bytes:
    host, port = exporter.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) as client, suppress(OSError):
        client.settimeout(5)
        half = len(sent) // 2 if pause else 0
        client.sendall(sent[:half])
        if pause:
            time.sleep(0.005)
        client.sendall(sent[half:])
        match end:
            case "hangs up":
                return b""
            case "resets":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                return b""
            case "says that it is done":
                client.shutdown(socket.SHUT_WR)
        return _read(client)
    return b""


def _read(client: socket.socket) -> bytes:
    found = b""
    client.settimeout(WAIT_SECONDS)
    with suppress(OSError):
        while piece := client.recv(1 << 16):
            found += piece
    return found


def _assert_quiet(running: RunningExporter) -> None:
    assert "Traceback" not in running.output, running.output
    assert not [event for event in running.events() if event["level"] in ("critical", "error")]
    assert len(running.output.splitlines()) < MOST_LINES, running.output


@pytest.mark.slow
def test_slow_bodies_beside_quick_ones(exporter: RunningExporter) -> None:
    """Those that stop in their midst are told so in the end, with 408; whoever comes meanwhile is served."""
    host, port = exporter.url.removeprefix("http://").split(":")
    length = b"Content-Type: application/json\r\nContent-Length: 30\r\n"
    head = b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + length + b"\r\n["
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(head)
        answer = httpx.post(f"{exporter.url}/api/v1/tasks", json=[], timeout=10)
        assert answer.status_code == 200
        assert b" 408 " in slow.recv(1 << 16)
