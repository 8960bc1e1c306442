"""Exporters that share a ledger on a real PostgreSQL: each account has one owner, and is counted once."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.scripted import until
from tests.e2e.upstream import Upstream
from tests.support.postgres import Postgres, running_postgres
from tests.support.processes import RunningExporter, start_exporter, start_simulator
from tests.support.scraped import Scraped

pytestmark = pytest.mark.e2e

ACCOUNTS = ("blue", "green", "red", "white")
TASKS = 40
PATIENCE = 60.0


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        server.run("CREATE DATABASE shared TEMPLATE template0 ENCODING 'UTF8'")
        yield server


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    """A simulator with an account for each of ours."""
    accounts = tmp_path / "accounts.yml"
    accounts.write_text(
        yaml.safe_dump([{"name": name, "keys": [{"name": name, "key": f"sk-byts-{name}"}]} for name in ACCOUNTS])
    )
    started = start_simulator(tmp_path, "--seed", "5", "--accounts.file", str(accounts))
    with started as simulator, closing(Upstream(simulator.url)) as upstream:
        yield upstream


def configured(
    directory: Path, upstream: Upstream, server: Postgres, tasks: dict[str, list[str]], **group: object
) -> Path:
    """The configuration that all replicas have; ``group`` is what else each of its groups says."""
    for name in ACCOUNTS:
        (directory / f"key-{name}").write_text(f"sk-byts-{name}")
    config = {
        "global": {"poll": {"min_interval": "200ms", "max_interval": "1s"}},
        "accounts": [
            {
                "name": name,
                "base_url": upstream.url,
                "api_key_file": str(directory / f"key-{name}"),
                "timeout": "2s",
                "max_in_flight": 4,
                "max_requests_per_second": 100,
            }
            for name in ACCOUNTS
        ],
        "task_groups": [
            {"name": f"of-{name}", "account": name, "static_configs": [{"task_ids": ids}], "api_config": {}, **group}
            for name, ids in tasks.items()
        ],
        "ledger": {"url": server.url("shared"), "lease": "3s"},
    }
    path = directory / "exporter.yml"
    path.write_text(json.dumps(config))
    return path


def replica(config: Path, name: str) -> RunningExporter:
    return start_exporter(config, "--replica.id", name, log=f"{name}.log")


def scrape(exporter: RunningExporter) -> Scraped:
    """What a scrape sees that takes a second at most: after so long an account may be shown that was just gained."""
    return Scraped.of(exporter.url, headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"})


def owned(exporter: RunningExporter) -> set[str]:
    page = Scraped.of(exporter.url)
    return {account for account, value in page.by("account", "bytespike_exporter_account_owned").items() if value}


def shown(*exporters: RunningExporter) -> dict[str, list[float]]:
    """What each account has finished, on each page that shows it."""
    found: dict[str, list[float]] = {name: [] for name in ACCOUNTS}
    for exporter in exporters:
        page = scrape(exporter)
        for account, number in page.by("account", "bytespike_tasks_finished_total").items():
            found[account].append(number)
    return found


@pytest.mark.slow
def test_two_share_what_one_counts(tmp_path: Path, upstream: Upstream, postgres: Postgres) -> None:
    tasks = {
        name: upstream.submit(
            TASKS, account=name, latency_seconds=2, spread_seconds=14, failure_ratio=0.2, cancel_ratio=0.2
        )[0]
        for name in ACCOUNTS
    }
    config = configured(tmp_path, upstream, postgres, tasks)

    with replica(config, "one") as one, replica(config, "two") as two:
        until(lambda: {len(owned(one)), len(owned(two))} == {2}, "each owns two", seconds=PATIENCE)
        assert owned(one) | owned(two) == set(ACCOUNTS)

        one.kill()
        until(lambda: owned(two) == set(ACCOUNTS), "the other has taken over", seconds=PATIENCE)
        with replica(config, "one") as again:
            until(lambda: len(owned(again)) == 2, "it has got its share again", seconds=PATIENCE)
            assert two.stop() == 0
            until(lambda: owned(again) == set(ACCOUNTS), "it was handed over", seconds=PATIENCE)
            until(lambda: shown(again) == {name: [TASKS] for name in ACCOUNTS}, "all have ended", seconds=PATIENCE)
            books = upstream.books()
            page = scrape(again)
            assert page.by("status", "bytespike_tasks_finished_total") == books["outcomes"]
            assert page.sum("bytespike_tasks_credits_used_total") == pytest.approx(books["credits_used"], abs=0.005)
            assert again.stop() == 0

    assert postgres.rows("SELECT count(*) FROM outcomes", "shared") == [(TASKS * len(ACCOUNTS),)]
    assert postgres.rows("SELECT DISTINCT owner FROM leases WHERE account <> ''", "shared") == [(None,)]


@pytest.mark.slow
def test_either_may_be_asked_and_told(tmp_path: Path, upstream: Upstream, postgres: Postgres) -> None:
    """Registered, looked at and called back on the replica that does not own the account: as on the one that does."""
    ids = {name: upstream.submit(2, account=name, latency_seconds=3600)[0] for name in ACCOUNTS}
    (tmp_path / "hook").write_text("hook")
    config = configured(
        tmp_path,
        upstream,
        postgres,
        {name: tasks[:1] for name, tasks in ids.items()},
        callback_config={"secret_file": str(tmp_path / "hook")},
        poll={
            "strategy": "eta",
            "polls_per_eta": 1,
            "default_eta": "1h",
            "min_interval": "200ms",
            "max_interval": "1h",
        },
    )

    with replica(config, "one") as one, replica(config, "two") as two, httpx.Client(timeout=PATIENCE) as client:
        until(lambda: {len(owned(one)), len(owned(two))} == {2}, "each owns two", seconds=PATIENCE)
        account = min(owned(two))
        group, (listed, registered) = f"of-{account}", ids[account]

        answer = client.post(f"{one.url}/api/v1/tasks", json={"group": group, "task_ids": [registered]})
        assert answer.json()["tasks"][0]["result"] == "registered"

        def seen(exporter: RunningExporter, task: str) -> dict[str, object]:
            return dict(client.get(f"{exporter.url}/api/v1/tasks/{task}").json())

        until(lambda: "group" in seen(two, registered), "its owner has found it", seconds=PATIENCE)
        there, here = seen(two, registered), seen(one, registered)
        assert (here["group"], here["sources"]) == (there["group"], there["sources"]) == (group, [f"{group}/api"])
        assert "owner" not in there
        assert isinstance(here["owner"], dict)
        assert here["owner"]["id"] == "two"

        page = client.get(f"{one.url}/tasks/{registered}").text
        assert f"Replica two follows account {account}" in page
        assert f"{here['owner']['url']}/tasks/{registered}?account={account}" in page

        # what the other has done within the last second is known, too: else nobody would follow what "is registered"
        assert client.delete(f"{two.url}/api/v1/tasks/{registered}").status_code == 204
        answer = client.post(f"{one.url}/api/v1/tasks", json={"group": group, "task_ids": [registered]})
        assert answer.json()["tasks"][0]["result"] == "registered"
        assert client.delete(f"{two.url}/api/v1/tasks/{registered}").status_code == 204
        answer = client.post(f"{one.url}/api/v1/tasks", json={"group": group, "task_ids": [registered]})
        until(lambda: "group" in seen(two, registered), "its owner has found it again", seconds=PATIENCE)

        def is_asked(before: int) -> Callable[[], bool]:
            return lambda: upstream.requests(account) > before

        for task in (listed, registered, listed, registered):  # once it may be asked about of itself, within the hour
            asked = is_asked(upstream.requests(account))
            hint = client.post(f"{one.url}/api/v1/callbacks/{group}/hook", json={"task_id": task})
            assert hint.status_code == 202
            until(asked, "it is asked", seconds=PATIENCE)
