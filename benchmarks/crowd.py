"""What 1,000 hostile connections cost those who scrape and those who are polled for, and what is left of them.

``python -m benchmarks.crowd`` runs the real program, which polls 200 tasks 50 times a second, and scrapes it ten times
a second: first alone, then beside a process that keeps a thousand connections. A quarter of them each say nothing, send
half a head, send a body drop by drop, and ask for pages that they do not read; whichever is closed comes again a second
later. Another ten seconds after they have gone, memory is looked at; then a second crowd comes: what leaks grows with
each, and what an allocator keeps does not.
"""

import asyncio
import http.client
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import yaml

from benchmarks._figures import Figure, Goal, Unit
from benchmarks._upstream import running, upstream
from tests.e2e.scripted import family, until
from tests.support.processes import RunningExporter, start_exporter

CROWD = 1000
SECONDS = 5.0
AFTER_SECONDS = 11.0
"""Longer than a reader may take nothing."""

OPEN = "bytespike_exporter_http_connections"
POLLS = "bytespike_api_requests_total"
SCRAPES_A_SECOND = 10
POLLS_A_SECOND = 50
TASK_IDS = [f"task_{number:06d}" for number in range(200)]

BODY = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n["
BEGINNINGS = (
    b"",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-",
    b"POST /api/v1/tasks HTTP/1.1\r\n" + BODY,
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 40,
)


@dataclass(frozen=True, slots=True)
class Phase:
    """What was measured for a while: seconds of each scrape, and polls a second."""

    scrapes: tuple[float, ...]
    polls: float

    @property
    def p99(self) -> float:
        return quantiles(self.scrapes, n=100)[98]


async def _annoy(host: str, port: int, sent: bytes) -> None:
    """Come, begin, let drops follow and read nothing, for ever."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, port, limit=1)
            writer.write(sent)
            while not writer.is_closing():
                await asyncio.sleep(1.0)
                if sent.endswith((b"[", b"X-")):
                    writer.write(b" " if sent.endswith(b"[") else b"x")
        await asyncio.sleep(1.0)


async def _crowd(host: str, port: int) -> None:
    await asyncio.gather(*(_annoy(host, port, BEGINNINGS[number % len(BEGINNINGS)]) for number in range(CROWD)))


def _come(host: str, port: int) -> None:
    asyncio.run(_crowd(host, port))


@contextmanager
def crowd(url: str) -> Iterator[None]:
    """A thousand hostile connections, of another process."""
    address = urlsplit(url)
    process = multiprocessing.get_context("spawn").Process(
        target=_come, args=(address.hostname, address.port), daemon=True
    )
    process.start()
    try:
        until(lambda: family(url, OPEN).sum(OPEN) > CROWD / 4, "the crowd is there", seconds=30)
        yield
    finally:
        process.kill()
        process.join()


def measured(exporter: RunningExporter) -> Phase:
    """Scrape for a while, on a connection that is kept, as Prometheus does, and made anew where it is gone."""
    host = exporter.url.removeprefix("http://")
    connection, scrapes = http.client.HTTPConnection(host, timeout=30), []
    before, began = _polls(exporter), time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        asked = time.perf_counter()
        try:
            _scrape(connection)
        except (OSError, http.client.HTTPException):  # it has made room meanwhile
            connection.close()
            _scrape(connection)
        scrapes.append(time.perf_counter() - asked)
        time.sleep(max(0.0, 1 / SCRAPES_A_SECOND - scrapes[-1]))
    seconds = time.perf_counter() - began
    return Phase(tuple(scrapes), (_polls(exporter) - before) / seconds)


def _scrape(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"a scrape was answered with {answer.status}")


def _polls(exporter: RunningExporter) -> float:
    return family(exporter.url, POLLS).sum(POLLS)


def _memory(exporter: RunningExporter) -> float:
    status = Path(f"/proc/{exporter.pid}/status").read_text(encoding="utf-8")
    return 1024.0 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def _memory_after(exporter: RunningExporter) -> float:
    """Once the last of them has been let go."""
    time.sleep(AFTER_SECONDS)
    return _memory(exporter)


@contextmanager
def _polling(url: str) -> Iterator[RunningExporter]:
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "exporter.yml")
        limits = {"max_in_flight": 2, "max_requests_per_second": POLLS_A_SECOND}
        settings = {
            "global": {"poll": {"min_interval": "100ms", "max_interval": "100ms"}},
            "accounts": [{"name": "default", "base_url": url, "api_key_env": "KEY", **limits}],
            "task_groups": [{"name": "renders", "static_configs": [{"task_ids": TASK_IDS}], "api_config": {}}],
            "ledger": {"url": f"sqlite:///{directory}/ledger.db"},
        }
        config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        with start_exporter(config, env={"KEY": "sk-byts-benchmark"}) as exporter:
            time.sleep(2.0)
            yield exporter
            exporter.stop()


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    with upstream(running) as url, _polling(url) as exporter:
        alone, memory = measured(exporter), _memory(exporter)
        with crowd(exporter.url):
            beside = measured(exporter)
        left = _memory_after(exporter)
        with crowd(exporter.url):
            time.sleep(SECONDS)
        left_again = _memory_after(exporter)
    yield Figure(
        name=f"a scrape beside {CROWD:,} hostile connections, 99th percentile",
        cost=beside.p99,
        peer_name="a scrape without them, 99th percentile",
        peer=alone.p99,
        goal=Goal(share=2.0),
    )
    yield Figure(
        name=f"time for a poll beside {CROWD:,} hostile connections, at {POLLS_A_SECOND} allowed a second",
        cost=1 / beside.polls,
        peer_name="time for a poll without them",
        peer=1 / alone.polls,
        goal=Goal(share=1.1),
    )
    yield Figure(
        name=f"memory after {CROWD:,} hostile connections",
        cost=left,
        peer_name="memory before them",
        peer=memory,
        unit=Unit.BYTES,
        goal=Goal(share=1.25),
    )
    yield Figure(
        name="memory after as many again",
        cost=left_again,
        peer_name="memory after the first thousand",
        peer=left,
        unit=Unit.BYTES,
        goal=Goal(share=1.05),
    )


def main() -> None:
    """Print them."""
    for figure in figures():
        print(f"{figure.name}: {figure.cost:.4g} {figure.unit}; {figure.peer_name}: {figure.peer:.4g} {figure.unit}")


if __name__ == "__main__":
    main()
