"""Applications with exporter.client: the programs of its page, and a busy one while the exporter is away."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from exporter.client import Counts, Reporter
from tests.e2e.upstream import KEY, Upstream, assert_books_are_equal, configuration
from tests.support.ports import free_port
from tests.support.processes import PROJECT, RunningExporter, start_exporter, start_simulator
from tests.support.waiting import until_sum

pytestmark = pytest.mark.e2e

PAGE = (PROJECT / "docs/client.md").read_text()
PROGRAMS = dict(re.findall(r"^## ([^\n]+)\n+```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))

TASKS = 200


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    simulator = start_simulator(tmp_path, "--seed", "11", "--time-scale", "10")
    with simulator, closing(Upstream(simulator.url)) as upstream:
        yield upstream


@pytest.fixture
def config(tmp_path: Path, upstream: Upstream) -> Path:
    return configuration(
        tmp_path,
        upstream,
        account='{"max_in_flight": 4, "max_requests_per_second": 100}',
        poll="{min_interval: 500ms, max_interval: 1s}",
        group='{"static_configs": [], "api_config": {}}',
    )


@pytest.fixture
def exporter(config: Path) -> Iterator[RunningExporter]:
    with start_exporter(config) as exporter:
        yield exporter


def test_the_page_has_a_program_for_each_client() -> None:
    assert list(PROGRAMS) == ["httpx", "httpx, with asyncio", "requests", "Any other client"]
    assert all(program.count("# this line") == 1 for program in PROGRAMS.values())


@pytest.mark.slow
def test_the_programs_of_the_page_register_what_they_submit(exporter: RunningExporter, upstream: Upstream) -> None:
    submitted = set()
    for program in PROGRAMS.values():
        mine = program.replace("http://127.0.0.1:9877", exporter.url).replace("https://llm.bytespike.ai", upstream.url)
        done = subprocess.run(
            [sys.executable, "-c", mine],
            env={**os.environ, "PYTHONPATH": str(PROJECT), "BYTESPIKE_API_KEY": KEY},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        submitted.add(done.stdout.strip())
    followed = httpx.get(f"{exporter.url}/api/v1/tasks", timeout=30).json()["tasks"]
    assert {task["task_id"] for task in followed} == submitted
    assert {task["model"] for task in followed} == {"sora-2"}


@pytest.mark.slow
def test_what_is_submitted_while_the_exporter_is_away_is_followed_and_counted(config: Path, upstream: Upstream) -> None:
    address = f"127.0.0.1:{free_port()}"
    reporter = Reporter(f"http://{address}")
    headers = {"Authorization": f"Bearer {KEY}"}
    hooks = {"response": [reporter.on_response]}
    with httpx.Client(base_url=upstream.url, headers=headers, event_hooks=hooks, timeout=60) as application:

        def submit(_: int) -> str:
            body = {"model": "seedance-fast", "params": {"prompt": "a calm sea"}}
            return str(application.post("/v1/tasks/submit", json=body).raise_for_status().json()["task_id"])

        with ThreadPoolExecutor(8) as threads:
            ids = list(threads.map(submit, range(TASKS)))
        application.post(f"/v1/tasks/cancel/{ids[-1]}").raise_for_status()
    assert reporter.counts == Counts(waiting=TASKS)
    with start_exporter(config, address=address) as exporter:
        assert reporter.flush(120)
        assert reporter.counts == Counts(registered=TASKS)
        reporter.close()
        page = until_sum(exporter.url, "bytespike_tasks_finished_total", lambda ended: ended == TASKS, seconds=120)
        assert_books_are_equal(page, upstream.books())
        assert page.sum("bytespike_tasks_followed_total", model="seedance-fast") == TASKS
