"""``serve`` as a real process, against the real simulator."""

import gzip
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exporter.simulator.accounts import default_accounts
from tests.support.processes import RunningExporter, RunningSimulator, launch_exporter, start_exporter, start_simulator

pytestmark = pytest.mark.e2e

KEY = default_accounts()[0].keys[0].key
DISTINCT_KEY = 'sk-byts-"Distinct"-key-to-hunt-for'


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start_simulator(tmp_path_factory.mktemp("simulator")) as running:
        batch = {"count": 2, "latency_seconds": 0, "out_task_id_prefix": "done-", "model": "sora-2"}
        httpx.post(f"{running.url}/sim/tasks", json=batch, timeout=30).raise_for_status()
        yield running


@pytest.fixture
def config(tmp_path: Path, simulator: RunningSimulator) -> Path:
    (tmp_path / "key").write_text(KEY)
    return write_config(tmp_path, base_url=simulator.url)


def write_config(directory: Path, *, base_url: str, ids: str = "done-0, done-1", more: str = "") -> Path:
    path = directory / "exporter.yml"
    path.write_text(
        f"""\
accounts:
  - name: demo
    base_url: {base_url}
    api_key_file: key
task_groups:
  - name: renders
    poll: {{default_eta: 1s, min_interval: 500ms, max_interval: 1s}}
    static_configs:
      - out_task_ids: [{ids}]
        model: sora-2
ledger: {{url: "sqlite:///{directory}/data/ledger.db"}}
{more}"""
    )
    return path


def until_shown(exporter: RunningExporter, line: str, *, seconds: float = 30.0) -> str:
    """The page of metrics, once it shows a line."""
    deadline = time.monotonic() + seconds
    while line not in (page := httpx.get(f"{exporter.url}/metrics", timeout=30).text):
        assert time.monotonic() < deadline, page
        time.sleep(0.05)
    return page


@pytest.mark.slow
def test_what_it_serves_and_how_it_stops(config: Path) -> None:
    finished = 'bytespike_tasks_finished_total{account="demo",group="renders",model="sora-2",status="completed"} 2.0'
    with start_exporter(config) as exporter:
        until_shown(exporter, finished)
        names = {"name[]": ["bytespike_up", "bytespike_tasks_duration_seconds"]}
        some = httpx.get(f"{exporter.url}/metrics", params=names, timeout=30)
        shown = {line.split("{")[0] for line in some.text.splitlines() if not line.startswith("#")}
        assert shown == {"bytespike_up"} | {f"bytespike_tasks_duration_seconds_{x}" for x in ("bucket", "count", "sum")}

        with httpx.stream("GET", f"{exporter.url}/metrics", headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["content-encoding"] == "gzip"
            assert finished.encode() in gzip.decompress(b"".join(packed.iter_raw()))

        head = httpx.head(f"{exporter.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"].startswith("application/openmetrics-text")
        assert httpx.get(f"{exporter.url}/-/ready", timeout=30).text == "Ready\n"

        started = time.monotonic()
        assert exporter.stop() == 0
        assert time.monotonic() - started < 10
        assert [line["event"] for line in exporter.events()][-2:] == ["stopping", "stopped"]

    with start_exporter(config) as again:  # from the ledger alone, before anything is asked
        assert finished in httpx.get(f"{again.url}/metrics", timeout=30).text


@pytest.mark.slow
def test_sighup_and_the_reload_address(config: Path, simulator: RunningSimulator) -> None:
    with start_exporter(config) as exporter:
        write_config(config.parent, base_url=simulator.url, ids="done-0")
        assert httpx.post(f"{exporter.url}/-/reload?dry_run=1", timeout=30).json()["tasks"] == {
            "renders": {"added": 0, "removed": 1}
        }
        assert exporter.events("config_reloaded") == []
        exporter.send(signal.SIGHUP)
        assert exporter.wait_for_event("config_reloaded")["changed"] is True

        write_config(config.parent, base_url=simulator.url, more="glbal: {}\nacounts: []\n")
        exporter.send(signal.SIGHUP)
        exporter.wait_for_event("config_reload_refused", count=2)
        refused = exporter.events("config_reload_refused")
        assert [(line["line"], line["key"]) for line in refused] == [(12, "glbal"), (13, "acounts")]
        answer = httpx.put(f"{exporter.url}/-/reload", timeout=30)
        assert answer.status_code == 400
        assert [error["key"] for error in answer.json()["errors"]] == ["glbal", "acounts"]
        until_shown(exporter, "bytespike_exporter_config_last_reload_successful 0.0")

        write_config(config.parent, base_url=simulator.url)
        exporter.send(signal.SIGHUP)
        exporter.wait_for_event("config_reloaded", count=2)
        until_shown(exporter, "bytespike_exporter_config_last_reload_successful 1.0")
        assert exporter.stop() == 0


@pytest.mark.slow
def test_a_configuration_that_hangs_does_not_keep_it_from_stopping(config: Path) -> None:
    with start_exporter(config) as exporter:
        config.unlink()
        os.mkfifo(config)  # as a file system that does not answer
        exporter.send(signal.SIGHUP)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{exporter.url}/-/reload", timeout=0.5)
        assert httpx.get(f"{exporter.url}/-/healthy", timeout=30).status_code == 200
        assert exporter.stop() == 0


@pytest.mark.slow
def test_a_taken_port_is_told_before_the_ledger_is_touched(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with launch_exporter(config, address=address) as exporter:
            assert exporter.wait() == 3
    [reason] = exporter.events("fatal")  # beside what it warns of
    assert (reason["event"], reason["error"]) == ("fatal", f"cannot listen on {address}: Address already in use")
    assert not (config.parent / "data").exists()


@pytest.mark.slow
def test_every_fault_of_the_configuration_is_told(tmp_path: Path) -> None:
    config = tmp_path / "exporter.yml"
    config.write_text("accounts: []\nglbal: {}\n")
    with launch_exporter(config) as exporter:
        assert exporter.wait() == 1
    assert [(line["file"], line["line"]) for line in exporter.events("fatal")] == [(str(config), 1), (str(config), 2)]
    assert "Traceback" not in exporter.output


@pytest.mark.slow
def test_a_missing_key_is_a_warning_and_a_ledger_that_cannot_be_used_is_the_end(config: Path) -> None:
    (config.parent / "key").unlink()
    (config.parent / "data").write_text("a file where the ledger's directory should be")
    with launch_exporter(config) as exporter:
        assert exporter.wait() == 3
    [warning] = exporter.events("config_warning")
    assert "there is no file" in warning["warning"]
    assert exporter.events()[-1]["error"].startswith(f"ledger {config.parent}/data/ledger.db: ")
    assert "Traceback" not in exporter.output


@pytest.mark.slow
def test_a_second_exporter_on_one_ledger(config: Path) -> None:
    with start_exporter(config), launch_exporter(config, log="second.log") as second:
        assert second.wait() == 3
        assert "another exporter holds it" in second.output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 101, "a/b"])
def test_a_replica_has_a_name_that_can_be_told_from_others(config: Path, name: str) -> None:
    with launch_exporter(config, f"--replica.id={name}") as exporter:
        assert exporter.wait() == 2
        assert "expected letters, digits, dots, dashes and underscores" in exporter.output


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(config: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes requests and never answers: draining takes time
        write_config(tmp_path, base_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with start_exporter(config) as exporter:
            silent.accept()[0].close()
            connection = silent.accept()[0]
            exporter.send(signal.SIGTERM)
            exporter.wait_for_event("stopping")
            started = time.monotonic()
            exporter.send(signal.SIGINT)
            assert exporter.wait() == -signal.SIGINT
            assert time.monotonic() - started < 1
            connection.close()


@pytest.mark.slow
def test_an_upstream_that_never_answers_does_not_keep_it_from_stopping(config: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        write_config(tmp_path, base_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with start_exporter(config) as exporter:
            connection = silent.accept()[0]
            started = time.monotonic()
            assert exporter.stop() == 0
            assert time.monotonic() - started < 10
            connection.close()


@pytest.mark.slow
def test_the_key_is_nowhere(config: Path, simulator: RunningSimulator) -> None:
    key = config.parent / "key"
    key.write_text(DISTINCT_KEY)
    key.chmod(stat.S_IRUSR | stat.S_IWUSR)
    with start_exporter(config, "--log.level", "debug") as exporter:
        until_shown(exporter, 'bytespike_api_suspended{account="demo",reason="invalid_api_key"} 1.0')
        seen = []
        for path in (
            "/",
            "/metrics",
            "/-/healthy",
            "/-/ready",
            "/config",
            "/nowhere",
            "/-/reload?x=1",
            "/metrics?name[]=x",
        ):
            for accept in ("text/html", "*/*"):
                answer = httpx.get(f"{exporter.url}{path}", headers={"Accept": accept}, timeout=30)
                seen.append(f"{answer.headers}{answer.text}")
        seen.append(httpx.post(f"{exporter.url}/-/reload", timeout=30).text)
        config.write_text("accounts:\n  - {name: demo, api_key_file: key, api_key: x}\n")
        seen.append(httpx.post(f"{exporter.url}/-/reload", timeout=30).text)
        exporter.stop()
        seen.append(exporter.output)
    assert all("Distinct" not in text for text in seen)
    assert "Distinct" not in "".join(
        path.read_bytes().decode(errors="replace") for path in config.parent.rglob("ledger*")
    )
