"""Stopped or killed at any instant, the exporter counts everything once, and nothing it has shown goes down."""

import random
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.upstream import Upstream, assert_books_are_equal, configuration
from tests.support.processes import RunningExporter, start_exporter
from tests.support.scraped import Scraped

pytestmark = pytest.mark.e2e

TASKS_EACH = 50
SECONDS_EACH = 5.0
"""So many tasks, and so long until the last has finished, for each time that the exporter ends."""


class Sampler(threading.Thread):
    """Scrapes for as long as it runs, and notes every number that was lower than before.

    And each error code that was not at 0 when it first came: its first failures would be no increase.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.url: str | None = None
        self.went_down: list[str] = []
        self.born: dict[str, float] = {}
        self.scrapes = 0
        self._highest: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self._is_done = threading.Event()

    def run(self) -> None:
        while not self._is_done.wait(0.5):
            try:
                page = Scraped.of(self.url) if self.url else None
            except httpx.HTTPError:
                continue  # it has just ended
            if page:
                self.take(page)

    def take(self, page: Scraped) -> None:
        self.scrapes += 1
        seen = page.growing()
        self.went_down += [
            f"{key}: {value} -> {seen.get(key)}" for key, value in self._highest.items() if seen.get(key, 0.0) < value
        ]
        self._highest = dict(seen)
        for sample in page.samples("bytespike_tasks_failed_total"):
            self.born.setdefault(sample.labels["error_code"], sample.value)

    def stop(self) -> None:
        self._is_done.set()
        self.join()


@pytest.mark.slow
@pytest.mark.parametrize("often", [3, pytest.param(10, marks=pytest.mark.long)])
def test_every_task_counts_once_however_often_the_exporter_ends(tmp_path: Path, upstream: Upstream, often: int) -> None:
    count = often * TASKS_EACH
    ids, out_ids = upstream.submit(
        count,
        latency_seconds=2,
        spread_seconds=often * SECONDS_EACH,
        failure_ratio=0.15,
        error_code="too_hot",
        cancel_ratio=0.1,
        out_task_id_prefix="render-",
    )
    both = count // 5  # so many are named by both their ids
    config = configuration(
        tmp_path,
        upstream,
        task_ids=ids[: count // 2 + both],
        out_task_ids=out_ids[count // 2 :],
        account='{"max_in_flight": 4, "max_requests_per_second": 300}',
    )
    chance, sampler, ends = random.Random(5), Sampler(), 0
    sampler.start()
    exporter = start_exporter(config)
    try:
        while ends < often:
            sampler.url = exporter.url
            time.sleep(chance.uniform(0.3, 2 * SECONDS_EACH - 2.0))
            end(exporter, is_asked_to=ends % 2 == 0)
            ends += 1
            exporter = start_exporter(config, log=f"serve-{ends}.log")
        sampler.url = exporter.url
        wait_until_all_are_counted(exporter, count)
        time.sleep(1.0)  # should anything be counted again, it would be now
        page, books = Scraped.of(exporter.url), upstream.books()
        assert_books_are_equal(page, books)
        assert page.sum("bytespike_tasks_followed_total") == count
        assert page.sum("bytespike_tasks_output_video_seconds_total") == pytest.approx(books["output_video_seconds"])
    finally:
        sampler.stop()
        exporter.kill()

    assert sampler.went_down == []
    assert len(sampler.born) > 1
    assert set(sampler.born.values()) == {0.0}
    assert sampler.scrapes > often


def end(exporter: RunningExporter, *, is_asked_to: bool) -> None:
    """By SIGTERM, which it obeys, or by SIGKILL."""
    if is_asked_to:
        assert exporter.stop() == 0, exporter.output[-2000:]
        assert "Traceback" not in exporter.output
    else:
        exporter.kill()


def wait_until_all_are_counted(exporter: RunningExporter, count: int) -> None:
    deadline = time.monotonic() + 60
    while Scraped.of(exporter.url).sum("bytespike_tasks_finished_total") < count:
        assert time.monotonic() < deadline, exporter.output[-2000:]
        time.sleep(0.2)
