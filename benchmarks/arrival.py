"""How long the event loop stands still while 100,000 tasks arrive from one file, beside taking that list in one go.

``python -m benchmarks.arrival`` prints the longest stall (wall time between two turns of the loop) of a whole exporter
that reads the file, recalls and records each task in its ledger and schedules its polls, as ``serve`` runs it; and what
it takes to let a bare tracker follow the same tasks without a pause. It needs about a minute.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import structlog

from benchmarks._figures import Figure, Goal
from benchmarks._rounds import compare_seconds
from exporter.cli.garbage import pauses_bounded
from exporter.clock import SystemClock
from exporter.metrics.snapshot import BuildView
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.settings.load import load
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.tracker import Tracker

TASKS = 100_000
ROUNDS = 3
TURN = 0.001
"""Seconds between two looks: a loop that never rests would keep the interpreter from the ledger's thread."""

IDS = [f"task_{number}" for number in range(TASKS)]
CONFIG = """\
accounts: [{name: one, base_url: "http://upstream.invalid", api_key_env: KEY}]
task_groups: [{name: renders, model: sora-2, file_sd_configs: [{files: [tasks.txt]}]}]
ledger: {url: "sqlite:///ledger.db"}
"""


def upstream(_: httpx.Request) -> httpx.Response:
    """Every task is running."""
    return httpx.Response(200, json={"status": "running"})


async def longest_stall(config_file: Path) -> float:
    """Seconds, while an exporter that begins with nothing comes to follow every task and to have it in its ledger."""
    exporter = Exporter(
        load(config_file),
        config_file=config_file,
        build=BuildView("0", "0", "3"),
        dependencies=Dependencies(SystemClock(), Random(1), {"KEY": "sk-byts-key"}, httpx.MockTransport(upstream)),
        log=structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[]),
    )
    await exporter.start()
    longest, before = 0.0, time.perf_counter()
    while len(exporter.tasks) < TASKS or exporter.snapshot().ledger.pending:
        await asyncio.sleep(TURN)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    await exporter.stop(deadline=5.0)
    return longest


def in_slices() -> float:
    """The longest stall of a whole exporter."""
    with tempfile.TemporaryDirectory() as directory, pauses_bounded():
        Path(directory, "tasks.txt").write_text("\n".join(IDS))
        config_file = Path(directory, "exporter.yml")
        config_file.write_text(CONFIG)
        return asyncio.run(longest_stall(config_file))


def in_one_go() -> float:
    """How long it takes to follow them all."""
    tracker, labels = Tracker(Rules()), TaskLabels("one", "renders", "sora-2")
    items = [Item(TaskRef("one", task_id), labels) for task_id in IDS]
    began = time.perf_counter()
    for item in items:
        tracker.claim("files", item, now=0.0)
    return time.perf_counter() - began


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    yield Figure(
        name=f"longest stall while {TASKS:,} tasks arrive from a file",
        cost=in_slices(),
        peer_name="followed in one go",
        peer=in_one_go(),
        goal=Goal(cost=0.01),
    )


if __name__ == "__main__":
    compare_seconds(in_slices, in_one_go, peer_name="in one go, tracker only", rounds=ROUNDS)
