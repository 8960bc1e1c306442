"""What the pictures of the landing page cost: a sample, an hour of samples in memory, and the page.

``python -m benchmarks.history`` prints it for an exporter with so many groups and label sets, all of them busy.
"""

import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import TypeVar

from exporter.accounting.series import Increments, labels_of
from exporter.dispatcher.answer import Reason
from exporter.metrics.families import api, tasks
from exporter.metrics.history import MOST, SLOTS, History
from exporter.metrics.readings import read
from exporter.metrics.snapshot import AccountView, BuildView, Snapshot
from exporter.tasks.census import Census
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.web.trends import trends

GROUPS = MOST
MODELS = 10
NOW = 1_748_000_000.0
LABELS = [TaskLabels("main", f"g{group}", f"m{model}") for group in range(GROUPS) for model in range(MODELS)]

T = TypeVar("T")


class Busy:
    """Tasks end in every group in each interval."""

    def __init__(self) -> None:
        self._totals = Increments()
        self._at = 0

    def snapshot(self) -> Snapshot:
        self._at += 1
        for number, labels in enumerate(LABELS):
            self._end(labels, (self._at + number) % 7)
        requests = labels_of(account="main", endpoint=api.ENDPOINT)
        api.REQUESTS.count(self._totals, requests, 100)
        for reason in Reason:
            failures = labels_of(account="main", endpoint=api.ENDPOINT, reason=str(reason))
            api.REQUEST_FAILURES.count(self._totals, failures, self._at % 2)
        counts = {(labels, Status.RUNNING): 1 + self._at % 9 for labels in LABELS}
        return Snapshot(
            Census(NOW + self._at, counts, {}, {}, {}),
            BuildView("0", "0", "3"),
            known=tuple(LABELS),
            totals=dict(self._totals),
            accounts=(AccountView("main", up=True, last_success_at=NOW),),
        )

    def _end(self, labels: TaskLabels, count: int) -> None:
        of = {"account": labels.account, "group": labels.group, "model": labels.model}
        for status in tasks.TIMED:
            timed = labels_of(**of, status=str(status))
            tasks.FINISHED.count(self._totals, timed, count)
            tasks.CREDITS_USED.count(self._totals, timed, count * 0.3)
            for at in range(count):
                tasks.DURATION.observe(self._totals, timed, tasks.GENERATION_BUCKETS[(at * 5 + self._at) % 16])


def main() -> None:
    """Fill an hour, and print what each part took."""
    busy, history = Busy(), History()
    reading: list[float] = []
    adding: list[float] = []
    size = 0
    for at in range(SLOTS + 2):
        snapshot = busy.snapshot()
        seconds, found = _timed(partial(read, snapshot))
        reading.append(seconds)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        history.add(found, now=30.0 * at)
        size += tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    for at in range(SLOTS + 2, SLOTS + 9):
        found = read(busy.snapshot())
        adding.append(_timed(partial(history.add, found, now=30.0 * at))[0])
    last = busy.snapshot()
    recent = history.recent(now=30.0 * (SLOTS + 8))
    drawing = [_timed(partial(trends, recent, last))[0] for _ in range(7)]
    print(f"{GROUPS} groups, {len(LABELS)} label sets, {len(last.totals)} stored series")
    print(f"read, in a thread          {median(reading) * 1e3:8.1f} ms")
    print(f"add, on the event loop     {median(adding) * 1e3:8.1f} ms")
    print(f"an hour in memory          {size / 1e6:8.1f} MB")
    print(f"drawn, in a thread         {median(drawing) * 1e3:8.1f} ms")


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
