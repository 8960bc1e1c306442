"""The whole exporter with its ledger on a real PostgreSQL: killed, cut off and refused, it counts everything once."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.e2e.scripted import until
from tests.e2e.upstream import Upstream, assert_books_are_equal, configuration
from tests.support.postgres import Postgres, running_postgres
from tests.support.processes import RunningExporter, launch_exporter
from tests.support.scraped import Scraped

pytestmark = pytest.mark.e2e

TASKS = 60
WIDE = '{"max_in_flight": 4, "max_requests_per_second": 300}'
PATIENCE = 90.0


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


def on_server(directory: Path, upstream: Upstream, server: Postgres, ids: list[str]) -> Path:
    """The configuration of an exporter whose ledger is there."""
    ledger = f'{{"ledger": {{"url": "{server.url("ledger_of_all")}"}}}}'
    return configuration(
        directory, upstream, task_ids=ids, account=WIDE, more=ledger, poll="{min_interval: 200ms, max_interval: 1s}"
    )


def start_exporter(config: Path, *, log: str = "serve.log", env: Mapping[str, str] | None = None) -> RunningExporter:
    """``serve``, once it answers: its tables are made first."""
    exporter = launch_exporter(config, log=log, env=env)
    try:
        exporter.url = f"http://{exporter.wait_for_event('listening', seconds=PATIENCE)['address']}"
    except BaseException:
        exporter.kill()
        raise
    return exporter


def scrape(url: str) -> Scraped:
    """What a scrape sees that takes a second at most: after so long an account may be shown that was just gained."""
    return Scraped.of(url, headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"})


def finished(url: str) -> float:
    return scrape(url).sum("bytespike_tasks_finished_total")


@pytest.mark.slow
def test_books_are_equal_after_a_kill_and_a_restart_of_the_server(
    tmp_path: Path, upstream: Upstream, postgres: Postgres
) -> None:
    postgres.run("CREATE DATABASE ledger_of_all TEMPLATE template0 ENCODING 'UTF8'")
    ids, _ = upstream.submit(
        TASKS, latency_seconds=1, spread_seconds=6, failure_ratio=0.2, error_code="too_hot", cancel_ratio=0.2
    )
    config = on_server(tmp_path, upstream, postgres, ids)

    with start_exporter(config) as exporter:
        until(lambda: finished(exporter.url) > 0, "a task has ended", seconds=PATIENCE)
        shown = finished(exporter.url)
        postgres.stop(immediately=True)
        postgres.start()
        exporter.kill()
    postgres.run("UPDATE leases SET owner = NULL", database="ledger_of_all")  # nobody needs to be waited for

    with start_exporter(config, log="again.log") as exporter:
        until(lambda: finished(exporter.url) >= shown, "what was counted is shown again", seconds=PATIENCE)
        until(lambda: finished(exporter.url) == TASKS, "all have ended", seconds=PATIENCE)
        assert_books_are_equal(scrape(exporter.url), upstream.books())
        assert exporter.stop(seconds=PATIENCE) == 0
    assert postgres.rows("SELECT DISTINCT owner FROM leases", "ledger_of_all") == [(None,)], "it was given up"


@pytest.mark.slow
def test_what_no_server_answers_for_ends_with_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "exporter.yml"
    (tmp_path / "key").write_text("sk-byts-demo")
    config.write_text(
        f"accounts: [{{name: default, api_key_file: {tmp_path}/key}}]\n"
        f"ledger: {{url: 'postgresql://exporter@/ledger?host={tmp_path}'}}\n"
    )
    canary = "canary-in-the-environment"
    with launch_exporter(config, env={**os.environ, "PGPASSWORD": canary}) as exporter:
        assert exporter.wait(seconds=PATIENCE) == 3
        assert "see that it runs, and listens at this socket" in exporter.output
        assert canary not in exporter.output


@pytest.mark.slow
def test_no_password_is_shown_and_the_url_is(tmp_path: Path, upstream: Upstream, postgres: Postgres) -> None:
    canary = "canary-of-the-passfile"
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"*:*:*:*:{canary}\n")
    passfile.chmod(0o600)
    postgres.run("CREATE DATABASE ledger_of_all TEMPLATE template0 ENCODING 'UTF8'")
    config = on_server(tmp_path, upstream, postgres, [])
    config.write_text(config.read_text().replace("ledger_of_all?", f"ledger_of_all?passfile={passfile}&"))

    with start_exporter(config, env={**os.environ, "PGPASSWORD": canary}) as exporter:
        pages = [httpx.get(f"{exporter.url}{path}", timeout=60).text for path in ("/config", "/metrics", "/")]
        assert f"passfile={passfile}" in pages[0]
        assert exporter.stop(seconds=PATIENCE) == 0
        assert canary not in "".join([*pages, exporter.output])
