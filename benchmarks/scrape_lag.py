"""How late the event loop is while 100,000 series of single tasks are scraped once a second by another process.

``python -m benchmarks.scrape_lag`` prints it beside the same loop in the same process without scrapes: on a machine
that has more to do, that is late, too. Tasks change at 500 a second meanwhile. The longest turn is in CPU time of the
loop's own thread: it does not depend on what else there is to do.
"""

import asyncio
import gc
import sys
import time
from statistics import quantiles

import structlog

from benchmarks._listed import SERIES_OF_A_TASK, ListedTasks
from exporter.metrics.snapshot import Snapshot
from exporter.web.app import create_app
from exporter.web.listening import listen
from exporter.web.server import WebServer
from tests.support.fake_exporter import FakeExporter

SERIES = 100_000
SECONDS = 10
TICK = 0.001
CHANGES = 500

SCRAPES = """
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
headers = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": sys.argv[2]}
for _ in range(int(sys.argv[3])):
    began = time.perf_counter()
    connection.request("GET", "/metrics", headers=headers)
    size = len(connection.getresponse().read())
    print(f"{time.perf_counter() - began} {size}", flush=True)
    time.sleep(max(0.0, 1.0 - time.perf_counter() + began))
"""


async def main() -> None:
    """Print how late the loop was without scrapes, with packed ones, and with plain ones."""
    listed = ListedTasks(SERIES // SERIES_OF_A_TASK)

    def shown() -> Snapshot:
        return listed.snapshot(now=time.time())

    listener = listen("127.0.0.1", 0)
    server = WebServer(create_app(FakeExporter(shown=shown), log=structlog.get_logger()), [listener])
    serving = asyncio.create_task(server.serve())
    await server.started()
    gc.collect()
    gc.freeze()  # as the exporter does
    port = listener.getsockname()[1]
    await _scraped(port, "gzip", 1)
    _print("no scrapes", *await _lags(listed, asyncio.create_task(asyncio.sleep(SECONDS))))
    for encoding in ("gzip", "identity"):
        scraping = asyncio.create_task(_scraped(port, encoding, SECONDS))
        _print(f"scrapes, {encoding}", *await _lags(listed, scraping))
        print(f"{'':20} {await scraping}")
    server.stop()
    await serving


async def _lags(listed: ListedTasks, until: asyncio.Task[object]) -> tuple[list[float], float]:
    """How much too late each of many short sleeps ended, and the CPU time of the longest turn; seconds."""
    lags: list[float] = []
    longest, spent = 0.0, time.thread_time()
    due, changed = time.perf_counter(), 0.0
    while not until.done():
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        now = time.perf_counter()
        lags.append(now - began - TICK)
        longest, spent = max(longest, time.thread_time() - spent), time.thread_time()
        changed += (now - due) * CHANGES
        due = now
        for _ in range(int(changed)):
            listed.change_one(len(lags) * 7 % (SERIES // SERIES_OF_A_TASK))
        changed %= 1
    return lags, longest


async def _scraped(port: int, encoding: str, times: int) -> str:
    command = (sys.executable, "-c", SCRAPES, str(port), encoding, str(times))
    client = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await client.communicate()
    took, sizes = zip(*(map(float, line.split()) for line in said.decode().splitlines()), strict=True)
    return f"{sorted(took)[len(took) // 2] * 1e3:.0f} ms a scrape, {sizes[-1] / 1e6:.1f} MB"


def _print(name: str, lags: list[float], longest: float) -> None:
    parts = quantiles(lags, n=1000)
    late = f"late p50 {parts[499] * 1e3:5.2f}  p99 {parts[989] * 1e3:5.2f}  max {max(lags) * 1e3:5.2f} ms"
    print(f"{name:20} {late}; longest turn {longest * 1e3:5.2f} ms")


if __name__ == "__main__":
    asyncio.run(main())
