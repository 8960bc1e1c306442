"""How long a scrape takes with 1,000 tasks listed, beside a plain registry that holds the same series as gauges.

``python -m benchmarks.scrape`` prints both times and their ratio, from one process and in turns: read the ratio.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from benchmarks._figures import Figure, Goal
from benchmarks._rounds import timed
from exporter.metrics.collector import SnapshotCollector
from exporter.metrics.exposition import render
from exporter.metrics.snapshot import AccountView, BuildView, Snapshot
from exporter.tasks.census import Census
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState

TASKS = 1000
ROUNDS = 7
SIZES = (100, 1_000, 10_000)
NOW = 1_748_000_000.0
LABELS = TaskLabels("default", "renders", "sora-2-pro", (("team", "video"),))


def snapshot(tasks: int) -> Snapshot:
    """So many running tasks, each with all its series."""
    listed = tuple((LABELS, _task(number)) for number in range(tasks))
    counts = {(LABELS, Status.RUNNING): tasks}
    census = Census(NOW, counts, {LABELS: 1.5 * tasks}, {}, {(LABELS, Status.RUNNING): NOW - 60}, listed)
    return Snapshot(census, BuildView("0", "0", "3"), ("team",), (LABELS,), accounts=(AccountView("default", up=True),))


def plain_registry(of: Snapshot) -> CollectorRegistry:
    """The same samples, each as a child of a gauge: how an exporter without a collector would hold them."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for metric in SnapshotCollector(of).collect():
        for sample in metric.samples:
            if sample.name not in gauges:
                gauges[sample.name] = Gauge(sample.name, metric.documentation, list(sample.labels), registry=registry)
            gauge = gauges[sample.name]
            (gauge.labels(**sample.labels) if sample.labels else gauge).set(sample.value)
    return registry


def main() -> None:
    """Time both in turns and print the medians."""
    shown = snapshot(TASKS)
    registry = plain_registry(shown)
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(ROUNDS):
        ours.append(_seconds(lambda: render(shown)))
        plain.append(_seconds(lambda: generate_latest(registry)))
    series = sum(not line.startswith(b"#") for line in render(shown).body.splitlines())
    print(f"{series} series of {TASKS} tasks")
    print(f"snapshot rendered  {median(ours) * 1e3:8.1f} ms")
    print(f"plain registry     {median(plain) * 1e3:8.1f} ms")
    print(f"ratio              {median(ours) / median(plain):8.2f}")


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    for tasks in SIZES:
        shown = snapshot(tasks)
        ours, peer = partial(render, shown), partial(generate_latest, plain_registry(shown))
        pair = timed(ours, peer, each=1, rounds=3)
        series = sum(not line.startswith(b"#") for line in render(shown).body.splitlines())
        yield Figure(
            name=f"/metrics with the series of {tasks:,} tasks",
            cost=pair.ours,
            peer_name="a registry of gauges",
            peer=pair.peer,
            goal=Goal(share=1 / 40) if tasks == max(SIZES) else Goal(),
            line="scrape",
            at=series,
        )


def _task(number: int) -> TaskState:
    return TaskState(
        TaskRef("default", f"task_{number:026d}", f"render-{number}"),
        NOW - 60,
        NOW - 60,
        Submission.SOURCE,
        Status.RUNNING,
        eta_seconds=35.0,
        credits_estimated=1.5,
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
