"""What one poll of the whole exporter costs, beside the published loop as anybody would write it first.

``python -m benchmarks.whole`` prints the CPU time of a process for each poll, at 1, 2, 16 and 64 in flight. Of the
exporter that is all of it: due, asked, validated, counted, scheduled again, and its part of each commit to the ledger.
The peer (``peer/published_loop.py``) asks with ``httpx.AsyncClient`` and sets a labelled gauge for each task. Both ask
about tasks that run on, ours about 2,000 and the peer about 400 of them, over loopback, another process.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median

import structlog
import yaml
from prometheus_client import CollectorRegistry

from benchmarks._figures import Figure, Goal
from benchmarks._upstream import running, upstream
from benchmarks.peer.published_loop import PublishedLoop
from exporter.clock import SystemClock
from exporter.metrics.snapshot import BuildView
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.settings.load import load

KEY = "sk-byts-benchmark"
IN_FLIGHT = (1, 2, 16, 64)
ROUNDS = 3
SECONDS = 2.0
"""So long the exporter polls for one figure."""

PEER_POLLS = 400
TASK_IDS = [f"task_{number:06d}" for number in range(2000)]


async def ours(url: str, in_flight: int) -> float:
    """Seconds of CPU for each poll of the exporter, once every task has been asked about."""
    with tempfile.TemporaryDirectory() as directory:
        exporter = _exporter(Path(directory), url, in_flight)
        await exporter.start()
        try:
            before = 0.0
            while before <= len(TASK_IDS):  # the first answer of each task is dearer
                await asyncio.sleep(SECONDS / 4)
                before = await _polls(exporter)
            began = time.process_time()
            await asyncio.sleep(SECONDS)
            after = await _polls(exporter)
            return (time.process_time() - began) / (after - before)
        finally:
            await exporter.stop(deadline=5.0)


async def peer(url: str, in_flight: int) -> float:
    """Seconds of CPU for each poll of the published loop, once its connections stand and its gauges are made."""
    loop = PublishedLoop(url, KEY, registry=CollectorRegistry())
    tasks = TASK_IDS[:PEER_POLLS]
    spent = 0.0
    async with loop.client() as client:
        for _ in range(2):  # the first time round is dearer
            began = time.process_time()
            await loop.run(client, tasks, polls=PEER_POLLS, in_flight=in_flight)
            spent = time.process_time() - began
    return spent / PEER_POLLS


def _exporter(directory: Path, url: str, in_flight: int) -> Exporter:
    config = directory / "exporter.yml"
    account = {"name": "default", "base_url": url, "api_key_env": "KEY"}
    limits = {"max_in_flight": in_flight, "max_requests_per_second": 1_000_000}
    settings = {
        "global": {"poll": {"min_interval": "100ms", "max_interval": "100ms"}, "task_series": {"limit": 0}},
        "accounts": [account | limits],
        "task_groups": [{"name": "renders", "static_configs": [{"task_ids": TASK_IDS}]}],
        "ledger": {"url": f"sqlite:///{directory}/ledger.db"},
    }
    config.write_text(yaml.safe_dump(settings))
    return Exporter(
        load(config),
        config_file=config,
        build=BuildView("", "", ""),
        dependencies=Dependencies(clock=SystemClock(), random=Random(1), environ={"KEY": KEY}),
        log=structlog.get_logger(),
    )


async def _polls(exporter: Exporter) -> float:
    """How many requests have been counted, by what is durable."""
    await exporter.flush()
    totals = exporter.snapshot().totals
    return sum(number for series, number in totals.items() if series.family == "bytespike_api_requests_total")


def _print(in_flight: int, own: Sequence[float], other: Sequence[float]) -> None:
    ratio = median(other) / median(own)
    print(f"{in_flight:9} {median(own) * 1e6:12.1f} us {median(other) * 1e6:12.1f} us {ratio:9.1f} times")


def main() -> None:
    """Measure both in turns, at each number in flight."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors alone
    print(f"in flight {'this exporter':>15} {'published loop':>15} {'it costs':>15}")
    with upstream(running) as url:
        for in_flight in IN_FLIGHT:
            own, other = [], []
            for _ in range(ROUNDS):
                own.append(asyncio.run(ours(url, in_flight)))
                other.append(asyncio.run(peer(url, in_flight)))
            _print(in_flight, own, other)


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors alone
    with upstream(running) as url:
        for in_flight in IN_FLIGHT:
            pairs = [(asyncio.run(ours(url, in_flight)), asyncio.run(peer(url, in_flight))) for _ in range(ROUNDS)]
            yield Figure(
                name=f"a poll of the whole exporter, {in_flight} in flight",
                cost=median(own for own, _ in pairs),
                peer_name="the published loop",
                peer=median(other for _, other in pairs),
                goal=Goal(share=1 / 100) if in_flight == max(IN_FLIGHT) else Goal(),
                line="poll",
                at=in_flight,
            )


if __name__ == "__main__":
    main()
