"""The upstream's concurrency is shared with production traffic: the limits are hard."""

import time
from pathlib import Path

import pytest

from tests.e2e.upstream import Upstream, configuration
from tests.support.processes import start_exporter
from tests.support.scraped import Scraped

pytestmark = pytest.mark.e2e


@pytest.mark.slow
def test_a_thousand_due_tasks_never_make_a_third_request_at_once(tmp_path: Path, upstream: Upstream) -> None:
    ids, _ = upstream.submit(1000, latency_seconds=600)
    upstream.scenario("slow_answers", {"seconds": 0.02})  # so that requests overlap
    config = configuration(
        tmp_path,
        upstream,
        task_ids=ids,
        poll="{min_interval: 100ms, max_interval: 1s}",
        account='{"max_in_flight": 2, "max_requests_per_second": 1000}',
    )
    with start_exporter(config) as exporter:
        deadline = time.monotonic() + 60
        while upstream.requests() < 500:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        traffic = upstream.books()["traffic"]["demo"]
        page = Scraped.of(exporter.url)

    assert traffic["max_concurrent"] == 2
    assert page.sum("bytespike_exporter_requests_in_flight") <= 2
    assert page.sum("bytespike_exporter_tasks_due") > 300
    assert page.sum("bytespike_exporter_request_budget_ratio") > 1, "and it says that the budget is too small"


@pytest.mark.slow
def test_the_rate_limit_is_hard(tmp_path: Path, upstream: Upstream) -> None:
    ids, _ = upstream.submit(200, latency_seconds=600)
    config = configuration(
        tmp_path,
        upstream,
        task_ids=ids,
        poll="{min_interval: 100ms, max_interval: 1s}",
        account='{"max_in_flight": 20, "max_requests_per_second": 20}',
    )
    with start_exporter(config):
        began, before = time.monotonic(), upstream.requests()
        time.sleep(3.0)
        seen, took = upstream.requests() - before, time.monotonic() - began

    assert 0.5 * 20 * took < seen <= 20 * took + 1


@pytest.mark.slow
def test_a_revoked_key_is_left_alone_and_a_new_one_tried_at_once(tmp_path: Path, upstream: Upstream) -> None:
    ids, _ = upstream.submit(50, latency_seconds=600)
    config = configuration(
        tmp_path,
        upstream,
        task_ids=ids,
        poll="{min_interval: 100ms, max_interval: 1s}",
        account='{"max_in_flight": 2, "max_requests_per_second": 100}',
    )
    with start_exporter(config) as exporter:
        while upstream.requests() < 20:
            time.sleep(0.1)
        upstream.revoke("demo")
        before = upstream.requests()
        time.sleep(8.0)  # a whole minute of it, on a clock that is moved: tests/service/test_exporter.py
        assert upstream.requests() - before <= 5
        assert Scraped.of(exporter.url).sum("bytespike_api_suspended", reason="invalid_api_key") == 1.0

        (tmp_path / "key").write_text("sk-byts-second\n")  # it knows none of the tasks, but it is valid
        deadline = time.monotonic() + 20
        while not Scraped.of(exporter.url).sum("bytespike_up"):
            assert time.monotonic() < deadline, exporter.output[-2000:]
            time.sleep(0.1)
        assert upstream.requests("second") > 0
