"""What the sidecar adds to a request, beside a direct call, and how fast bodies pass, beside nginx as a proxy.

``python -m benchmarks.sidecar`` sends 200 queries a second directly and 200 through the sidecar of a real ``serve``, in
turns, and prints what the second take longer. Then one body of 64 MiB comes each way in turns; without nginx, there is
no peer for that. All of it takes half a minute at most, over loopback.
"""

import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from benchmarks._processor import cpu_seconds
from benchmarks._upstream import ANSWER, HEAD

KEY = "sk-byts-benchmark"
RATE = 200
SECONDS = 8.0
BODY = 64 << 20
ROUNDS = 5
START_SECONDS = 30.0

ASKED = b'{"task_id":"task_0"}'
QUERY = (
    b"POST /v1/tasks/query HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer %b\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (KEY.encode(), len(ASKED), ASKED)
)
STREAM = b"POST /v1/messages HTTP/1.1\r\nHost: api\r\ncontent-length: 2\r\n\r\n{}"

NGINX = """\
{user}daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0;
    location / {{ proxy_pass {url}; }}
  }}
}}
"""


def _pour(ready: Connection) -> None:
    """An upstream that is faster than any proxy: blocking sockets, a thread for each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        while True:
            accepted, _ = listener.accept()
            threading.Thread(target=_answer_each, args=(accepted,), daemon=True).start()


def _answer_each(accepted: socket.socket) -> None:
    block, seen = bytes(1 << 20), b""
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with accepted, suppress(OSError):
        while piece := accepted.recv(1 << 16):
            seen += piece
            if not seen.endswith(b"}"):
                continue
            if seen.startswith(b"POST /v1/messages"):
                accepted.sendall(HEAD + b"content-length: %d\r\n\r\n" % BODY)
                for _ in range(BODY // len(block)):
                    accepted.sendall(block)
            else:
                accepted.sendall(ANSWER)
            seen = b""


@contextmanager
def upstream() -> Iterator[str]:
    """Its address."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_pour, args=(its,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


class Caller:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._room = bytearray(1 << 20)

    def ask(self, request: bytes) -> float:
        """Seconds until the whole answer is there."""
        began = time.perf_counter()
        self._socket.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._more()
        head, _, body = head.partition(b"\r\n\r\n")
        left = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]) - len(body)
        while left > 0:
            left -= len(self._more())
        return time.perf_counter() - began

    def _more(self) -> memoryview:
        size = self._socket.recv_into(self._room)
        if not size:
            raise ConnectionError("an answer broke off")
        return memoryview(self._room)[:size]

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


@contextmanager
def sidecar(url: str, directory: Path) -> Iterator[tuple[str, int]]:
    """The address of the sidecar of a running ``serve``, and the id of its process."""
    config = directory / "exporter.yml"
    config.write_text(
        json.dumps(
            {
                "accounts": [{"name": "default", "base_url": url, "api_key_env": "KEY"}],
                "task_groups": [{"name": "renders", "proxy_config": {}}],
                "proxy": {"listen_address": "127.0.0.1:0"},
                "ledger": {"url": f"sqlite:///{directory}/ledger.db"},
            }
        )
    )
    flags = ("--config.file", str(config), "--web.listen-address", "127.0.0.1:0", "--log.format", "json")
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "serve", *flags],
            stdout=output,
            stderr=output,
            env={**os.environ, "KEY": KEY, "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield f"http://{_listening(process, log)}", process.pid
    finally:
        process.terminate()
        process.wait()


def _listening(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            with suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == "proxy_listening":
                    return str(event["address"])
        time.sleep(0.05)
    raise RuntimeError(f"serve does not come up: {log.read_text()}")


@contextmanager
def nginx(url: str, directory: Path) -> Iterator[str | None]:
    """The address of nginx as a proxy; None where it is not installed."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = directory / "nginx.conf"
    user = "user root; " if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(user=user, directory=directory, port=port, url=url))
    process = subprocess.Popen([program, "-p", str(directory), "-c", str(config), "-e", str(directory / "error.log")])
    try:
        _until_open(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _until_open(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise RuntimeError("nginx does not come up")


def latency(direct: Caller, through: Caller, pid: int) -> None:
    """Print what a query takes each way at a steady rate, and the difference; ``pid`` is the sidecar's process."""
    worked = cpu_seconds(pid)
    taken: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    for number in range(int(2 * RATE * SECONDS)):
        time.sleep(max(0.0, began + number / (2 * RATE) - time.perf_counter()))
        taken[number % 2].append((direct, through)[number % 2].ask(QUERY))
    rate = len(taken[0]) / (time.perf_counter() - began)
    print(f"queries, {rate:.0f} a second each way")
    own, peer = (_middle_and_most(each) for each in (taken[1], taken[0]))
    for name, (middle, most) in (("sidecar", own), ("direct", peer)):
        print(f"  {name:8} median {middle * 1e3:6.2f} ms  p99 {most * 1e3:6.2f} ms")
    print(f"  {'CPU':8} {(cpu_seconds(pid) - worked) / len(taken[1]) * 1e3:13.2f} ms of the sidecar's process, a query")
    print(f"  {'added':8} median {(own[0] - peer[0]) * 1e3:6.2f} ms  p99 {(own[1] - peer[1]) * 1e3:6.2f} ms")


def _middle_and_most(seconds: list[float]) -> tuple[float, float]:
    return median(seconds), quantiles(seconds, n=100)[-1]


def throughput(ways: dict[str, Caller]) -> None:
    """Print how fast a body comes each way, and the share of the peer's speed."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, caller in ways.items():
            taken[name].append(caller.ask(STREAM))
    speeds = {name: BODY / median(seconds) for name, seconds in taken.items()}
    print(f"bodies of {BODY >> 20} MiB")
    for name, speed in speeds.items():
        print(f"  {name:8} {speed / (1 << 20):7.0f} MiB/s")
    if "nginx" in speeds:
        print(f"  {'share':8} {speeds['sidecar'] / speeds['nginx']:7.2f} of nginx's")


def main() -> None:
    """Measure both."""
    with (
        tempfile.TemporaryDirectory() as directory,
        upstream() as url,
        sidecar(url, Path(directory)) as (own, pid),
        nginx(url, Path(directory)) as peer,
    ):
        ways = {"direct": url, "sidecar": own} | ({"nginx": peer} if peer else {})
        callers = {name: Caller(address) for name, address in ways.items()}
        latency(callers["direct"], callers["sidecar"], pid)
        throughput(callers)
        for caller in callers.values():
            caller.close()


if __name__ == "__main__":
    main()
