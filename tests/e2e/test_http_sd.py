"""Thousands of tasks that an application names over HTTP, through real processes, while others of them end."""

import json
import time
from pathlib import Path

import pytest

from tests.e2e.upstream import Upstream, assert_books_are_equal, configuration
from tests.support.processes import start_exporter
from tests.support.scraped import Scraped
from tests.support.scripted_api import Reply, ScriptedApi
from tests.support.waiting import until_sum

pytestmark = pytest.mark.e2e

WAVES = 10
PATIENCE = 150.0

POLL = "{min_interval: 10s, max_interval: 10s}"
FAST = '{"max_in_flight": 5, "max_requests_per_second": 1000}'


def sources(url: str) -> str:
    source = {"url": f"{url}/sim/sd?account=demo&finished_within=3600", "refresh_interval": "1s"}
    return json.dumps({"http_sd_configs": [source]})


@pytest.mark.slow
@pytest.mark.parametrize("size", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_thousands_of_tasks_arrive_while_others_end(tmp_path: Path, upstream: Upstream, size: int) -> None:
    config = configuration(tmp_path, upstream, poll=POLL, account=FAST, group=sources(upstream.url))
    with start_exporter(config) as exporter:
        for number in range(WAVES):
            upstream.submit(
                size,
                latency_seconds=0,
                spread_seconds=3,
                eta_seconds=None,
                failure_ratio=0.1,
                cancel_ratio=0.05,
                model=("sora-2", "sora-2-pro")[number % 2],
                out_task_id_prefix=f"render-{number}-" if number % 2 else "",
            )
            time.sleep(0.5)
        until_sum(exporter.url, "bytespike_tasks_finished_total", lambda shown: shown >= WAVES * size, seconds=PATIENCE)
        time.sleep(1.0)
        page = Scraped.of(exporter.url)

        assert_books_are_equal(page, upstream.books())
        assert page.by("model", "bytespike_tasks_finished_total") == {
            "sora-2": WAVES * size / 2,
            "sora-2-pro": WAVES * size / 2,
        }
        assert page.sum("bytespike_tasks") == WAVES * size
        assert page.sum("bytespike_exporter_sd_refresh_failures_total", mechanism="http_sd") == 0.0
        assert exporter.events("loop_died") == []


@pytest.mark.slow
def test_an_application_that_is_out_of_order_takes_no_task_with_it(tmp_path: Path, upstream: Upstream) -> None:
    """What was named last is followed on, and a restart of the application is forgiven."""
    ids, _ = upstream.submit(4, latency_seconds=600)
    with ScriptedApi() as application:
        application.names("/tasks", [{"task_ids": ids[:3]}])
        source = {"url": f"{application.url}/tasks", "refresh_interval": "1s"}
        config = configuration(tmp_path, upstream, poll=POLL, group=json.dumps({"http_sd_configs": [source]}))
        with start_exporter(config) as exporter:
            until_sum(exporter.url, "bytespike_tasks", lambda count: count == 3)
            application.pages["/tasks"] = lambda: Reply(status="503 Service Unavailable")
            page = until_sum(exporter.url, "bytespike_exporter_sd_refresh_failures_total", lambda shown: shown >= 2.0)
            assert page.sum("bytespike_tasks") == 3.0
            [event] = exporter.events("discovery_failing")
            assert event["reason"] == f"{application.url}/tasks: answered 503; only 200 is a list"

            application.names("/tasks", [{"task_ids": ids}])
            until_sum(exporter.url, "bytespike_tasks", lambda count: count == 4)
