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

FAILURES = "bytespike_api_request_failures_total"
DRIFT = "bytespike_api_schema_drift_total"

# each scenario, and the counter and label that must tell of it
FAULTS: list[tuple[str, dict[str, object], str, dict[str, str]]] = [
    ("garbage", {"kind": "empty"}, FAILURES, {"reason": "bad_response"}),
    ("garbage", {"kind": "array"}, FAILURES, {"reason": "bad_response"}),
    ("garbage", {"kind": "scalar"}, FAILURES, {"reason": "bad_response"}),
    ("garbage", {"kind": "cut_json"}, FAILURES, {"reason": "bad_response"}),
    ("garbage", {"kind": "html"}, FAILURES, {"reason": "server"}),  # a proxy's page, with its 502
    ("garbage", {"kind": "huge"}, FAILURES, {"reason": "too_large"}),
    ("garbage", {"kind": "redirect"}, FAILURES, {"reason": "redirect"}),
    ("garbage", {"kind": "truncated"}, FAILURES, {"reason": "truncated"}),
    ("outage", {"status": 500}, FAILURES, {"reason": "server"}),
    ("rate_limit_storm", {"code": "concurrency_limit"}, FAILURES, {"reason": "concurrency"}),
    ("key_revoked", {}, FAILURES, {"reason": "invalid_api_key"}),
    ("slow_answers", {"seconds": 1.0}, FAILURES, {"reason": "timeout"}),
    ("schema_change", {"kind": "unknown_status"}, DRIFT, {"kind": "unknown_status"}),
    ("schema_change", {"kind": "legacy_shape"}, DRIFT, {"kind": "legacy_shape"}),
]


@pytest.mark.slow
def test_after_any_faults_all_tasks_end_as_the_books_say(tmp_path: Path, upstream: Upstream) -> None:
    ids, out_ids = upstream.submit(
        TASKS, latency_seconds=1, spread_seconds=30, failure_ratio=0.2, cancel_ratio=0.1, out_task_id_prefix="r"
    )
    lasting, _ = upstream.submit(10, latency_seconds=600)  # so that there is always something to ask about
    config = configuration(
        tmp_path,
        upstream,
        task_ids=ids + lasting,
        out_task_ids=out_ids,
        poll="{min_interval: 300ms, max_interval: 1s}",
        account='{"max_in_flight": 4, "max_requests_per_second": 100, "timeout": "500ms"}',
    )
    faults = FAULTS.copy()
    random.Random(3).shuffle(faults)

    with start_exporter(config) as exporter:
        for name, params, counter, labels in faults:
            before = Scraped.of(exporter.url).sum(counter, **labels)
            upstream.scenario(name, {**params, "ratio": 0.7})
            wait_until(exporter, counter, labels, more_than=before)
            upstream.end_scenario(name)
            wait_until(exporter, "bytespike_up", {}, more_than=0.0)
        wait_until(exporter, "bytespike_tasks_finished_total", {}, more_than=TASKS - 1)
        time.sleep(1.0)  # should anything be counted again, it would be now
        page = Scraped.of(exporter.url)
        assert_books_are_equal(page, upstream.books())
        assert page.sum("bytespike_tasks") == TASKS + len(lasting)
        assert exporter.stop() == 0
        assert not [line for line in exporter.events() if "fault" in line["event"] or "died" in line["event"]]


def wait_until(exporter: RunningExporter, name: str, labels: dict[str, str], *, more_than: float) -> None:
    deadline = time.monotonic() + 60
    while Scraped.of(exporter.url).sum(name, **labels) <= more_than:
        assert time.monotonic() < deadline, (name, labels, exporter.output[-3000:])
        time.sleep(0.1)
