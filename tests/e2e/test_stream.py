"""A group that streams ends with the same books as one that polls, and with far fewer queries."""

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.upstream import Upstream, assert_books_are_equal, configuration
from tests.support.processes import start_exporter, start_simulator
from tests.support.scraped import Scraped

pytestmark = pytest.mark.e2e

TASKS = 40
SLOTS = 45

ACCOUNTS = f"- {{name: demo, concurrency: {SLOTS}, keys: [{{name: demo, key: sk-byts-demo}}]}}\n"


def follow_to_the_end(directory: Path, *, stream: bool) -> Mapping[str, int]:
    """Let an exporter follow tasks of its own simulator until all have ended; the requests by endpoint."""
    directory.mkdir()
    (directory / "accounts.yml").write_text(ACCOUNTS)
    arguments = ("--seed", "11", "--accounts.file", str(directory / "accounts.yml"))
    with start_simulator(directory, *arguments) as simulator, closing(Upstream(simulator.url)) as upstream:
        ids, out_ids = upstream.submit(
            TASKS, latency_seconds=6, spread_seconds=8, failure_ratio=0.1, cancel_ratio=0.05, out_task_id_prefix="r"
        )
        config = configuration(
            directory,
            upstream,
            task_ids=ids[: TASKS // 2],
            out_task_ids=out_ids[TASKS // 2 :],
            poll="{min_interval: 300ms, max_interval: 1m, polls_per_eta: 20}",
            account=f'{{"max_in_flight": {SLOTS}, "max_requests_per_second": 500}}',
            group='{"stream": true}' if stream else "{}",
        )
        with start_exporter(config) as exporter:
            deadline = time.monotonic() + 90
            while Scraped.of(exporter.url).sum("bytespike_tasks_finished_total") < TASKS:
                assert time.monotonic() < deadline, exporter.output[-3000:]
                time.sleep(0.3)
            time.sleep(1.0)
            page, books = Scraped.of(exporter.url), upstream.books()
            assert exporter.stop() == 0
            assert not [line for line in exporter.events() if "fault" in line["event"] or "died" in line["event"]]
    assert_books_are_equal(page, books)
    traffic = books["traffic"]["demo"]
    assert traffic["max_concurrent"] <= SLOTS
    requests = {endpoint: sum(by_status.values()) for endpoint, by_status in traffic["by_endpoint"].items()}
    counted = page.by("endpoint", "bytespike_api_requests_total")
    assert counted == {f"tasks/{endpoint}": count for endpoint, count in requests.items()}
    return requests


@pytest.mark.slow
def test_streams_spare_more_than_half_of_the_queries(tmp_path: Path) -> None:
    polled = follow_to_the_end(tmp_path / "polled", stream=False)
    streamed = follow_to_the_end(tmp_path / "streamed", stream=True)

    assert streamed["stream"] > 0.7 * TASKS, "all but those that had ended by their second turn"
    assert streamed["query"] < polled["query"] / 2
    assert streamed["query"] + streamed["stream"] < polled["query"]
