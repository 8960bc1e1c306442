"""Every fault that an upstream can answer with, in any order; afterwards all tasks end as the books say."""

import random
import time
from pathlib import Path

import pytest

from tests.e2e.upstream import Upstream, assert_books_are_equal, configuration
from tests.support.processes import RunningExporter, start_exporter
from tests.support.scraped import Scraped

pytestmark = pytest.mark.e2e

TASKS = 60

FAULTS: list[tuple[str, dict[str, object]]] = [
    *(("garbage", {"kind": kind}) for kind in ("html", "empty", "array", "scalar", "cut_json", "huge")),
    *(("garbage", {"kind": kind}) for kind in ("redirect", "truncated")),
    *(("schema_change", {"kind": kind}) for kind in ("unknown_status", "extra_field", "legacy_shape")),
    ("outage", {"status": 500}),
    ("rate_limit_storm", {"code": "concurrency_limit"}),
    ("key_revoked", {}),
    ("slow_answers", {"seconds": 1.0}),
]
SEEN = {
    *("bad_response", "too_large", "redirect", "truncated", "server", "concurrency", "invalid_api_key", "timeout"),
}


def test_after_any_faults_all_tasks_end_as_the_books_say(tmp_path: Path, upstream: Upstream) -> None:
    ids, out_ids = upstream.submit(
        TASKS, latency_seconds=1, spread_seconds=20, failure_ratio=0.2, cancel_ratio=0.1, out_task_id_prefix="r"
    )
    config = configuration(
        tmp_path,
        upstream,
        task_ids=ids,
        out_task_ids=out_ids,
        poll="{min_interval: 300ms, max_interval: 1s}",
        account='{"max_in_flight": 4, "max_requests_per_second": 100, "timeout": "500ms"}',
    )
    faults = FAULTS.copy()
    random.Random(3).shuffle(faults)

    with start_exporter(config) as exporter:
        for name, params in faults:
            upstream.scenario(name, **params, ratio=0.7)
            time.sleep(0.8)
            upstream.end_scenario(name)
            wait_until(exporter, "bytespike_up", 1.0)
        wait_until(exporter, "bytespike_tasks_finished_total", TASKS)
        time.sleep(1.0)  # should anything be counted again, it would be now
        page = Scraped.of(exporter.url)
        assert_books_are_equal(page, upstream.books())
        assert page.sum("bytespike_tasks") == TASKS
        assert set(page.by("reason", "bytespike_api_request_failures_total")) >= SEEN
        assert set(page.by("kind", "bytespike_api_schema_drift_total")) >= {"unknown_status", "legacy_shape"}
        assert page.sum("bytespike_up") == 1.0
        assert exporter.stop() == 0
        assert not [line for line in exporter.events() if "fault" in line["event"] or "died" in line["event"]]


def wait_until(exporter: RunningExporter, name: str, value: float) -> None:
    deadline = time.monotonic() + 60
    while Scraped.of(exporter.url).sum(name) != value:
        assert time.monotonic() < deadline, exporter.output[-3000:]
        time.sleep(0.2)
