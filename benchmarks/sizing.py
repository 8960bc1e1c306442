"""What an exporter needs for so many tasks: memory, CPU, scrapes, and room for its ledger.

``python -m benchmarks.sizing`` starts the real program for each number of tasks, with the default limits, on an
upstream that answers each query at once, and prints the table of docs/sizing.md. ``--tasks`` names other numbers.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks._processor import cpu_seconds
from benchmarks._upstream import upstream
from benchmarks.restart import filled

TASKS = (100, 1_000, 10_000, 100_000)
SECONDS = 30.0
SCRAPES = 5
ENDED = 100_000

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"


@dataclass(frozen=True, slots=True)
class Row:
    """What one run has shown."""

    tasks: int
    loaded_seconds: float
    memory_mb: float
    rate: float
    cpu: float
    scrape_ms: float
    scrape_kb: float
    samples: int

    def __str__(self) -> str:
        return (
            f"| {self.tasks:,} | {self.loaded_seconds:.0f} s | {self.memory_mb:.0f} MB | {self.rate:.1f}/s"
            f" | {self.cpu:.1%} | {self.scrape_ms:.0f} ms | {self.scrape_kb:,.0f} kB | {self.samples:,} |"
        )


HEADING = """\
| tasks | followed after | memory, at most | requests | CPU of one core | a scrape takes | its size | samples |
|---|---|---|---|---|---|---|---|"""


# ---- an upstream that knows every task -------------------------------------------------------------------------------


def known(request: bytes) -> bytes:
    """The task that was asked about, running."""
    asked = json.loads(request[request.rindex(b"\r\n\r\n") :])
    body = json.dumps({**asked, "status": "running", "estimated_credits": 1.5, "estimated_seconds": 35}).encode()
    return HEAD % (len(body), body)


# ---- the exporter ----------------------------------------------------------------------------------------------------


def _configured(directory: Path, tasks: int, url: str) -> Path:
    (directory / "ids.txt").write_text("".join(f"task_{number:026d}\n" for number in range(tasks)))
    config = directory / "exporter.yml"
    config.write_text(
        f"""\
accounts:
  - {{name: default, base_url: "{url}", api_key_env: KEY}}
task_groups:
  - {{name: renders, model: sora-2, file_sd_configs: [{{files: [ids.txt]}}]}}
ledger: {{url: "sqlite:///{directory}/ledger.db"}}
"""
    )
    return config


@contextmanager
def _exporter(config: Path) -> Iterator[tuple[int, str]]:
    """Its process id and URL, once it follows its tasks."""
    log = config.parent / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "--config.file", str(config), "--web.listen-address=127.0.0.1:0"],
            stderr=file,
            env={**os.environ, "KEY": "sk-byts-benchmark"},
        )
    try:
        yield process.pid, f"http://{_listening(log)}"
    finally:
        process.terminate()
        process.wait()


def _listening(log: Path) -> str:
    while "listening" not in log.read_text():
        time.sleep(0.05)
    return log.read_text().partition("address=")[2].split()[0]


def _page(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        return str(answer.read().decode())


def _followed(page: str) -> int:
    return sum(int(float(line.rpartition(" ")[2])) for line in page.splitlines() if line.startswith("bytespike_tasks{"))


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _requests(url: str) -> float:
    lines = _page(url).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("bytespike_api_requests_total{"))


def measure(tasks: int, upstream: str) -> Row:
    """One exporter with so many open tasks."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        began = time.monotonic()
        with _exporter(_configured(directory, tasks, upstream)) as (pid, url):
            while _followed(_page(url)) < tasks:
                time.sleep(0.2)
            loaded = time.monotonic() - began
            time.sleep(3)  # what taking them in left behind

            asked, spent = _requests(url), cpu_seconds(pid)
            time.sleep(SECONDS)
            spent = cpu_seconds(pid) - spent
            asked = _requests(url) - asked

            page, times = "", []
            for _ in range(SCRAPES):
                began = time.monotonic()
                page = _page(url)
                times.append(time.monotonic() - began)
            memory = _memory(pid)
    return Row(
        tasks=tasks,
        loaded_seconds=loaded,
        memory_mb=memory,
        rate=asked / SECONDS,
        cpu=spent / SECONDS,
        scrape_ms=1e3 * median(times),
        scrape_kb=len(page) / 1e3,
        samples=sum(not line.startswith("#") for line in page.splitlines()),
    )


def bytes_of_a_row() -> float:
    """What a task that has ended takes in the ledger, its indexes included."""
    with tempfile.TemporaryDirectory() as directory:
        filled(f"sqlite:///{directory}/ledger.db", ended=ENDED, still_open=0)
        return sum(path.stat().st_size for path in Path(directory).glob("ledger.db*")) / ENDED


def main() -> None:
    """Measure and print one row after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=TASKS)
    wanted = parser.parse_args().tasks
    print(HEADING)
    with upstream(known) as url:
        for tasks in wanted:
            print(measure(tasks, url), flush=True)
    print(f"\nA task that has ended takes {bytes_of_a_row():.0f} bytes of the ledger.")


if __name__ == "__main__":
    main()
