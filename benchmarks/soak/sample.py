"""What is seen of the exporter's process from outside at one instant, and of its loop since the last."""

import json
import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks._processor import cpu_seconds
from tests.support.scraped import Scraped

Series = tuple[str, frozenset[tuple[str, str]]]

ENDS = "bytespike_tasks_finished_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """``at`` is seconds from the start of the run; sizes are megabytes, times milliseconds, the longest since the last.

    ``connections`` are those to the simulators, ``descriptors`` all others.
    ``is_disturbed`` says that a fault was on since the last sample, or that an account is held back for one; ``where``
    what the loop was at in the longest stall, innermost call first.
    """

    at: float
    rss_mb: float
    descriptors: int
    connections: int
    threads: int
    ledger_mb: float
    polls_per_second: float
    failures: float
    cpu: float
    stall_ms: float
    late_ms: float
    scrape_ms: float
    followed: float
    finished: float
    is_disturbed: bool
    where: str = ""


class Process:
    """One process, by its id."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._proc = Path(f"/proc/{pid}")

    def rss(self) -> int:
        """Bytes in memory."""
        return int((self._proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self, ports: Collection[int]) -> tuple[int, int]:
        """Those that are connections to one of these ports, and all others."""
        sockets = {f"socket:[{inode}]" for inode in self._connected_to(ports)}
        targets = [_target(link) for link in (self._proc / "fd").iterdir()]
        connections = sum(target in sockets for target in targets)
        return connections, len(targets) - connections

    def threads(self) -> int:
        return len(list((self._proc / "task").iterdir()))

    def _connected_to(self, ports: Collection[int]) -> Iterator[str]:
        """Inodes of sockets whose other side is one of these ports."""
        for line in (self._proc / "net" / "tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[2].rpartition(":")[2], 16) in ports:
                yield fields[9]

    def cpu(self) -> float:
        """Seconds of CPU in all."""
        return cpu_seconds(self._pid)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # it has just been closed
        return ""


class Sampler:
    """Takes samples of one exporter; it remembers what grows, and every number that went down though it never may."""

    def __init__(self, url: str, pid: int, *, upstreams: Sequence[str], stalls: Path, ledger: Path) -> None:
        self._process = Process(pid)
        self._ports = {httpx.URL(upstream).port or 0 for upstream in upstreams}
        # a connection that rests between two samples may be closed just when it is wanted again
        self._http = httpx.Client(base_url=url, timeout=30.0, trust_env=False, headers={"connection": "close"})
        self._stalls = stalls.open()
        self._ledger = ledger
        self._before = (time.monotonic(), 0.0, self._process.cpu())
        self._highest: dict[Series, float] = {}
        self.went_down: list[str] = []

    def close(self) -> None:
        self._stalls.close()
        self._http.close()

    def page(self) -> Scraped:
        """What /metrics shows."""
        page = Scraped(self._http.get("/metrics").raise_for_status().text)
        self._compare(page)
        return page

    def take(self, at: float, *, is_disturbed: bool) -> Sample:
        """One sample: a scrape in each format, and a look at the process; whether a fault has been on is told."""
        began = time.perf_counter()
        headers = {"accept": "application/openmetrics-text", "accept-encoding": "gzip"}
        self._http.get("/metrics", headers=headers).raise_for_status()
        scrape = time.perf_counter() - began
        page = self.page()
        stall, late, where = self._longest()
        connections, descriptors = self._process.descriptors(self._ports)
        polls, cpu = self._since_last(page.sum("bytespike_api_requests_total"))
        return Sample(
            at=at,
            rss_mb=self._process.rss() / 1e6,
            descriptors=descriptors,
            connections=connections,
            threads=self._process.threads(),
            ledger_mb=sum(path.stat().st_size for path in self._ledger.parent.glob(f"{self._ledger.name}*")) / 1e6,
            polls_per_second=polls,
            failures=page.sum("bytespike_api_request_failures_total"),
            cpu=cpu,
            stall_ms=stall * 1e3,
            late_ms=late * 1e3,
            scrape_ms=scrape * 1e3,
            followed=page.sum("bytespike_tasks"),
            finished=page.sum(ENDS),
            is_disturbed=is_disturbed or page.sum("bytespike_api_suspended") > 0,
            where=where,
        )

    def _since_last(self, requests: float) -> tuple[float, float]:
        """Polls a second, and cores."""
        now, cpu = time.monotonic(), self._process.cpu()
        then, requests_then, cpu_then = self._before
        self._before = (now, requests, cpu)
        return (requests - requests_then) / (now - then), (cpu - cpu_then) / (now - then)

    def _longest(self) -> tuple[float, float, str]:
        """The longest stall since the last look, the longest delay, and what the loop was at in that stall."""
        seconds = [json.loads(line) for line in self._stalls if line.endswith("\n")]
        told: list[tuple[float, float, str]] = [(each["stall"], each["late"], each["where"]) for each in seconds]
        stall, _, where = max(told, default=(0.0, 0.0, ""))
        return stall, max((late for _, late, _ in told), default=0.0), where

    def _compare(self, page: Scraped) -> None:
        seen = page.growing()
        for key, value in self._highest.items():
            if seen.get(key, 0.0) < value:
                self.went_down.append(f"{key}: {value} -> {seen.get(key)}")
        self._highest = dict(seen)
