"""What a scrape costs: series of single tasks, many sets of labels, and many tasks without series of their own.

``python -m benchmarks.scrape`` prints CPU time beside that of the client library for the same page, in one process and
in turns: read the ratio. ``SERIES`` and ``TASKS`` are arguments, if others are wanted.
"""

import gc
import gzip
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

from msgspec import structs
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from benchmarks._figures import Figure, Goal
from benchmarks._listed import LABELS, NOW, SERIES_OF_A_TASK, ListedTasks
from exporter.accounting.totals import Totals
from exporter.metrics.collector import SnapshotCollector
from exporter.metrics.events import count_outcome, count_queue
from exporter.metrics.exposition import Renderer, Wanted
from exporter.metrics.snapshot import Snapshot
from exporter.tasks.census import Census, Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item
from exporter.tasks.observation import Observation, Outcome, Status
from exporter.tasks.tracker import Tracker

SERIES, TASKS, SETS = 100_000, 100_000, 1000
SIZES = (1_000, 10_000, SERIES)
CHANGED = 0.01
INTERVAL = 15.0
ROUNDS = 4
GZIP = Wanted(accept_encoding="gzip")


def main(series: int = SERIES, tasks: int = TASKS) -> None:
    """Print everything."""
    _print_listed(series)
    _print_label_sets()
    _print_followed(tasks)


def figures() -> Iterator[Figure]:
    """What ``benchmarks.report`` takes from here."""
    for series in SIZES:
        _, spent = _listed(series)
        for plain, goal in (("plain", Goal(share=1 / 40)), ("gzip", Goal())):
            yield Figure(
                name=f"/metrics with {series:,} series of single tasks, {plain}",
                cost=median(spent[plain][1:]),
                peer_name=f"client library, {plain}",
                peer=median(spent[f"client library, {plain}"][1:]),
                goal=goal if series == max(SIZES) else Goal(),
                line="scrape" if plain == "plain" else "",
                at=series,
            )
    few, many = _followed(TASKS).items()
    yield Figure(
        name=f"/metrics without series of single tasks, {many[0]:,} followed",
        cost=many[1],
        peer_name=f"{few[0]:,} followed",
        peer=few[1],
        goal=Goal(cost=0.02),
    )


def _listed(series: int) -> tuple[ListedTasks, dict[str, list[float]]]:
    """So many series, and the seconds that each way takes to show them, time after time."""
    listed = ListedTasks(series // SERIES_OF_A_TASK)
    registry = _gauges(SnapshotCollector(listed.snapshot(now=NOW)))
    ways: dict[str, Callable[[Snapshot], object]] = {
        "plain": _rendering(Wanted()),
        "gzip": _rendering(GZIP),
        "client library, plain": lambda _: generate_latest(registry),
        "client library, gzip": lambda _: gzip.compress(generate_latest(registry)),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        listed.change(CHANGED)
        shown = listed.snapshot(now=NOW + number * INTERVAL)
        for name, way in ways.items():
            spent[name].append(_seconds(partial(way, shown)))
    return listed, spent


def _print_listed(series: int) -> None:
    listed, spent = _listed(series)
    costs = {name: median(seconds[1:]) for name, seconds in spent.items()}
    print(f"{series:,} series of single tasks, {CHANGED:.0%} of which have changed")
    for name, peer in (("plain", "client library, plain"), ("gzip", "client library, gzip")):
        print(f"  {name:25} {costs[name] * 1e3:9.1f} ms")
        print(f"  {peer:25} {costs[peer] * 1e3:9.1f} ms, {costs[peer] / costs[name]:.0f} times as much")
    print(f"  {'the first page':25} {spent['plain'][0] * 1e3:9.1f} ms")
    print(f"  {'kept ready':25} {_kept(listed.snapshot(now=NOW)) / series:9.0f} B a series")


def _kept(shown: Snapshot) -> int:
    """Bytes that a renderer holds once a page has been packed."""
    renderer = Renderer()
    tracemalloc.start()
    renderer.render(shown, GZIP)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held


def _print_label_sets() -> None:
    """Every set has all its aggregates; between two pages, a hundredth of the sets sees a task start."""
    totals = Totals()
    sets = [structs.replace(LABELS, model=f"model-{number}") for number in range(SETS)]
    outcome = Outcome(TaskRef("default", "t"), Status.COMPLETED, NOW, duration=30.0, credits_used=1.0, eta_ratio=0.9)
    for labels in sets:
        totals.publish(*count_outcome(labels, outcome))
    census = Census(NOW, {(labels, status): 1 for labels in sets for status in Status}, {}, {}, {})
    base = replace(ListedTasks(1).snapshot(now=NOW), census=census, known=tuple(sets))
    render = _rendering(Wanted())
    ours, library = [], []
    for number in range(ROUNDS + 1):
        for labels in sets[number :: round(1 / CHANGED)]:
            totals.publish(count_queue(labels, 7.0))
        shown = replace(base, totals=totals.view(), exemplars=totals.exemplars())
        ours.append(_seconds(partial(render, shown)))
        library.append(_seconds(partial(_by_library, shown)))
    ratio = median(library[1:]) / median(ours[1:])
    print(f"{SETS:,} sets of labels, {CHANGED:.0%} of which have changed")
    print(f"  {'plain':25} {median(ours[1:]) * 1e3:9.1f} ms")
    print(f"  {'client library':25} {median(library[1:]) * 1e3:9.1f} ms, {ratio:.0f} times as much")


def _followed(tasks: int) -> dict[int, float]:
    """Seconds of snapshot and page, nothing listed, by how many tasks there are: they do not depend on it."""
    base, costs = ListedTasks(1).snapshot(now=NOW), {}
    for count in (tasks // 100, tasks):
        tracker, render = _tracker(count), _rendering(GZIP)
        costs[count] = median(_seconds(partial(_scraped, tracker, render, base)) for _ in range(ROUNDS * 3))
    return costs


def _print_followed(tasks: int) -> None:
    print("tasks without series of their own")
    for count, seconds in _followed(tasks).items():
        print(f"  {f'{count:,} followed':25} {seconds * 1e3:9.1f} ms")


def _scraped(tracker: Tracker, render: Callable[[Snapshot], object], base: Snapshot) -> None:
    render(replace(base, census=tracker.census(now=NOW + 1)))


def _tracker(tasks: int) -> Tracker:
    tracker = Tracker(Rules(listed_limit=0))
    seen = Observation(Status.RUNNING, estimated_credits=1.5, estimated_seconds=35.0)
    for number in range(tasks):
        ref = TaskRef("default", f"task_{number:026d}")
        tracker.claim("source", Item(ref, LABELS), now=NOW)
        tracker.observe(ref, seen, now=NOW)
    return tracker


def _rendering(wanted: Wanted) -> Callable[[Snapshot], object]:
    """A whole page, made and read piece by piece, as it is sent."""
    renderer = Renderer()
    return lambda shown: [piece.plain() for piece in renderer.render(shown, wanted).pieces] and None


def _gauges(collector: SnapshotCollector) -> CollectorRegistry:
    """The same samples, each as a child of a gauge: how an exporter without a collector would hold them."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for metric in collector.collect():
        for sample in metric.samples:
            if sample.name not in gauges:
                gauges[sample.name] = Gauge(sample.name, metric.documentation, list(sample.labels), registry=registry)
            gauge = gauges[sample.name]
            (gauge.labels(**sample.labels) if sample.labels else gauge).set(sample.value)
    return registry


def _by_library(shown: Snapshot) -> bytes:
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(shown))
    return generate_latest(registry)


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
