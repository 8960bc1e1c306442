"""Thousands of tasks that arrive in files, through real processes, while others of them end."""

import json
import time
from pathlib import Path

import pytest

from tests.e2e.upstream import Upstream, assert_books_are_equal, configuration
from tests.support.processes import start_exporter
from tests.support.scraped import Scraped
from tests.support.waiting import until_sum

pytestmark = pytest.mark.e2e

WAVES = 10
PATIENCE = 150.0

POLL = "{min_interval: 10s, max_interval: 10s}"
FAST = '{"max_in_flight": 5, "max_requests_per_second": 1000}'
FILES = '{"file_sd_configs": [{"files": ["tasks/*.txt", "tasks/*.yml"], "refresh_interval": "1h"}]}'


def write(path: Path, text: str) -> None:
    """As it should be done: at once."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def submit_wave(upstream: Upstream, number: int, size: int) -> tuple[list[str], list[str]]:
    return upstream.submit(
        size,
        latency_seconds=0,
        spread_seconds=3,
        eta_seconds=None,
        failure_ratio=0.1,
        cancel_ratio=0.05,
        out_task_id_prefix=f"render-{number}-",
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_thousands_of_tasks_arrive_while_others_end(tmp_path: Path, upstream: Upstream, size: int) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    config = configuration(tmp_path, upstream, poll=POLL, account=FAST, group=FILES)
    with start_exporter(config) as exporter:
        for number in range(WAVES):
            task_ids, out_task_ids = submit_wave(upstream, number, size)
            if number % 2:
                write(folder / f"{number}.txt", "\n".join(task_ids))
            else:
                items = [
                    {"task_ids": task_ids[: size // 2]},
                    {"out_task_ids": out_task_ids[size * 4 // 10 :]},
                ]  # some under both
                write(folder / f"{number}.yml", json.dumps(items))
            time.sleep(0.5)
        until_sum(exporter.url, "bytespike_tasks_finished_total", lambda shown: shown >= WAVES * size, seconds=PATIENCE)
        time.sleep(1.0)
        page = Scraped.of(exporter.url)

        assert_books_are_equal(page, upstream.books())
        assert page.sum("bytespike_tasks") == WAVES * size
        assert page.sum("bytespike_exporter_duplicate_tasks") == WAVES / 2 * size / 10
        assert page.sum("bytespike_exporter_sd_refresh_failures_total", mechanism="file_sd") == 0.0
        assert exporter.events("loop_died") == []

        for path in folder.iterdir():
            path.unlink()
        until_sum(exporter.url, "bytespike_tasks", lambda count: count == 0)  # they leave with their files
        assert_books_are_equal(Scraped.of(exporter.url), upstream.books())


@pytest.mark.slow
def test_a_bad_file_is_named_once_and_counted_each_time(tmp_path: Path, upstream: Upstream) -> None:
    task_ids, _ = upstream.submit(2, latency_seconds=600)
    (tmp_path / "tasks").mkdir()
    good, bad = tmp_path / "tasks" / "good.txt", tmp_path / "tasks" / "bad.yml"
    good.write_text(task_ids[0])
    bad.write_text(f"- task_ids: [{task_ids[1]}]")
    config = configuration(tmp_path, upstream, poll=POLL, group=FILES.replace("1h", "1s"))
    with start_exporter(config) as exporter:
        before = until_sum(
            exporter.url, "bytespike_exporter_sd_last_refresh_timestamp_seconds", lambda shown: shown >= 1.0
        )
        assert before.sum("bytespike_tasks") == 2.0
        write(bad, "- task_ids: [")
        page = until_sum(exporter.url, "bytespike_exporter_sd_refresh_failures_total", lambda shown: shown >= 3.0)
        assert page.sum("bytespike_tasks") == 2.0, "it keeps its last good items"
        [event] = exporter.events("discovery_failing")
        assert event["reason"].startswith(f"{bad}:")

        stale = page.sum("bytespike_exporter_sd_last_refresh_timestamp_seconds")
        write(bad, "[]")
        exporter.wait_for_event("discovery_recovered")
        page = until_sum(
            exporter.url, "bytespike_exporter_sd_last_refresh_timestamp_seconds", lambda shown: shown >= stale + 0.1
        )
        assert page.sum("bytespike_tasks") == 1.0
