"""Registration, callbacks, service discovery and probes, through real processes."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.upstream import KEY, Upstream, assert_books_are_equal
from tests.support.processes import RunningExporter, start_exporter
from tests.support.scraped import Scraped

pytestmark = pytest.mark.e2e

GROUP = "{name: renders, poll: {default_eta: 3s, min_interval: 500ms, max_interval: 2s}, api_config: {}}"

REQUESTS_EACH = 35
"""Of the clients, for each time that the exporter is killed."""

IDS = 5

LONG, SHORT = 9_000, 1_000
BATCHES = 20
QUICK = "{name: quick, poll: {default_eta: 60s, min_interval: 2s, max_interval: 10s}, api_config: {}}"
SLOW = "{name: slow, poll: {default_eta: 1h, max_interval: 10m}, api_config: {}}"


def write_config(directory: Path, url: str, *groups: str, more: str = "") -> Path:
    (directory / "key").write_text(KEY)
    path = directory / "exporter.yml"
    path.write_text(
        f"""\
accounts:
  - {{name: one, base_url: "{url}", api_key_file: key, max_in_flight: 8, max_requests_per_second: 300}}
task_groups:
{"".join(f"  - {group}{chr(10)}" for group in groups)}
ledger: {{url: "sqlite:///{directory}/ledger.db"}}
{more}"""
    )
    return path


def register(url: str, **item: Any) -> list[str]:
    answer = httpx.post(f"{url}/api/v1/tasks", json=item, timeout=30)
    assert answer.status_code == 200, answer.text
    return [task["result"] for task in answer.json()["tasks"]]


def followed(url: str) -> list[dict[str, Any]]:
    """Every followed task, page by page."""
    tasks: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = httpx.get(f"{url}/api/v1/tasks", params={"limit": "1000", **cursor}, timeout=30).json()
        tasks += page["tasks"]
        if page["next"] is None:
            return tasks
        cursor = {"cursor": page["next"]}


def until(what: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_the_life_of_a_registered_task(tmp_path: Path, upstream: Upstream) -> None:
    config = write_config(tmp_path, upstream.url, GROUP)
    with start_exporter(config) as exporter:
        # it is to be open when it is looked for, however long the start took
        [task_id], [name] = upstream.submit(1, latency_seconds=4, out_task_id_prefix="render-")
        assert register(exporter.url, task_ids=[task_id]) == ["registered"]
        target = httpx.get(f"{exporter.url}/sd", timeout=30).json()[0]
        probe = f"http://{target['targets'][0]}/probe"
        params = {key.removeprefix("__param_"): value for key, value in target["labels"].items() if "__param" in key}
        assert Scraped(httpx.get(probe, params=params, timeout=30).text).sum("probe_success") == 1
        shown = f"{exporter.url}/api/v1/tasks/{task_id}"
        until(lambda: httpx.get(shown, timeout=30).json()["status"] == "completed", seconds=30)
        task = httpx.get(f"{exporter.url}/api/v1/tasks/{name}", timeout=30).json()
        assert task["credits_used"] == upstream.books()["credits_used"]
        assert task["history"][-1]["status"] == "completed"
        assert httpx.get(f"{exporter.url}/sd", timeout=30).json() == []
        assert httpx.delete(shown, timeout=30).status_code == 204
        assert exporter.stop() == 0
    with start_exporter(config, log="again.log") as exporter:
        assert followed(exporter.url) == []
        assert register(exporter.url, out_task_ids=[name]) == ["registered"]
        until(lambda: [task["status"] for task in followed(exporter.url)] == ["completed"], seconds=30)
        assert Scraped.of(exporter.url).sum("bytespike_tasks_finished_total") == 1


@pytest.mark.slow
def test_a_token_is_needed_and_no_secret_is_logged(tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "token").write_text("the-token-of-the-api")
    (tmp_path / "hook").write_text("the-secret-of-the-hook")
    group = GROUP.replace(
        "api_config: {}", "api_config: {}, callback_config: {secret_file: hook, register_unknown: true}"
    )
    config = write_config(tmp_path, upstream.url, group, more="api: {token_file: token}\n")
    [task_id], _ = upstream.submit(1, latency_seconds=0)
    with start_exporter(config, "--log.level", "debug") as exporter:
        assert httpx.get(f"{exporter.url}/api/v1/tasks", timeout=30).status_code == 401
        hook = f"{exporter.url}/api/v1/callbacks/renders/the-secret-of-the-hook"
        began = time.monotonic()
        assert httpx.post(hook, json={"task_id": task_id}, timeout=30).status_code == 202
        assert time.monotonic() - began < 1
        assert httpx.post(hook[:-1], json={"task_id": task_id}, timeout=30).status_code == 404
        until(lambda: Scraped.of(exporter.url).sum("bytespike_tasks_finished_total") == 1, seconds=30)
        answer = httpx.get(f"{exporter.url}/sd", headers={"Authorization": "Bearer the-token-of-the-api"}, timeout=30)
        assert answer.status_code == 200
        exporter.stop()
        assert "the-token" not in exporter.output
        assert "the-secret" not in exporter.output


class Registering:
    """Clients that register, one request after the other, whatever happens to the exporter."""

    def __init__(self, exporter: RunningExporter, *, requests: int) -> None:
        self.exporter = exporter
        self.promised: list[str] = []
        self._numbers: Iterator[int] = iter(range(requests))
        self._lock = threading.Lock()

    def run(self) -> None:
        while (number := self._next()) is not None:
            ids = [f"task-{number}-{each}" for each in range(IDS)]
            while not self._accepted(ids):
                time.sleep(0.02)

    def _next(self) -> int | None:
        with self._lock:
            time.sleep(0.02)
            return next(self._numbers, None)

    def _accepted(self, ids: list[str]) -> bool:
        try:
            answer = httpx.post(f"{self.exporter.url}/api/v1/tasks", json={"task_ids": ids}, timeout=10)
        except httpx.HTTPError:
            return False
        assert answer.status_code == 200, answer.text
        with self._lock:
            self.promised += ids
        return True


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.long)])
def test_what_was_answered_with_success_is_followed_whenever_it_is_killed(tmp_path: Path, kills: int) -> None:
    requests = kills * REQUESTS_EACH
    config = write_config(tmp_path, "http://127.0.0.1:9", GROUP)
    chance, registering = random.Random(3), Registering(start_exporter(config), requests=requests)
    with ThreadPoolExecutor(4) as threads:
        clients = [threads.submit(registering.run) for _ in range(4)]
        try:
            for kill in range(kills):
                time.sleep(chance.uniform(0.05, 0.6))
                registering.exporter.kill()
                promised = list(registering.promised)
                registering.exporter = start_exporter(config, log=f"serve-{kill}.log")
                ids = {task["task_id"] for task in followed(registering.exporter.url)}
                assert ids.issuperset(promised), "a registration that was answered is not followed"
            for client in clients:
                client.result(60)
            registering.exporter.kill()
            registering.exporter = start_exporter(config, log="serve-last.log")
            ids = {task["task_id"] for task in followed(registering.exporter.url)}
            assert len(registering.promised) == requests * IDS
            assert ids == set(registering.promised)
        finally:
            registering.exporter.kill()


@pytest.mark.slow
@pytest.mark.parametrize("of_ten_thousand", [0.04, pytest.param(1.0, marks=pytest.mark.long)])
def test_thousands_arrive_while_others_finish(tmp_path: Path, upstream: Upstream, of_ten_thousand: float) -> None:
    lasting, ending = round(LONG * of_ten_thousand), round(SHORT * of_ten_thousand)
    with start_exporter(write_config(tmp_path, upstream.url, QUICK, SLOW)) as exporter:
        for _ in range(BATCHES):
            ids, _ = upstream.submit(lasting // BATCHES, latency_seconds=3600)
            assert set(register(exporter.url, group="slow", task_ids=ids)) == {"registered"}
            ids, _ = upstream.submit(ending // BATCHES, spread_seconds=15, failure_ratio=0.1, cancel_ratio=0.1)
            assert set(register(exporter.url, group="quick", task_ids=ids)) == {"registered"}

        def counted() -> float:
            return Scraped.of(exporter.url).sum("bytespike_tasks_finished_total")

        until(lambda: counted() == ending, seconds=60)
        page = Scraped.of(exporter.url)
        assert page.sum("bytespike_tasks") == lasting + ending
        assert len(followed(exporter.url)) == lasting + ending
        assert_books_are_equal(page, upstream.books())
        assert page.sum("bytespike_exporter_sd_refresh_failures_total") == 0
