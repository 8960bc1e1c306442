"""While the resolver never answers, only those who need it wait: neither scrapes, files nor the ledger, nor the end."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.scripted import QUICK, followed, outcomes, until, write_config
from tests.support.processes import RunningExporter
from tests.support.scripted_api import ScriptedApi, has_ended

pytestmark = pytest.mark.e2e

LOST = 8
"""Accounts whose server has a name that is never found, more than asyncio's own pool has threads here."""


@contextmanager
def running(directory: Path, api: ScriptedApi) -> Iterator[RunningExporter]:
    """An exporter of which one account and a watched file work, and nothing else does."""
    (directory / "tasks").mkdir()
    lost = {f"lost{number}": f"http://api{number}.silent.test" for number in range(LOST)}
    files = {"file_sd_configs": [{"files": [str(directory / "tasks" / "*.txt")]}]}
    lists = [{"url": f"http://app{number}.silent.test/tasks", "refresh_interval": "1s"} for number in range(LOST)]
    groups = {
        "renders": {"account": "default", "http_sd_configs": lists, **files},
        **{name: {"account": name, "static_configs": [{"task_ids": [f"task_{name}"]}]} for name in lost},
    }
    config = write_config(directory, "", groups=groups, accounts={"default": api.url, **lost}, poll=QUICK)
    flags = ("--config.file", str(config), "--web.listen-address", "127.0.0.1:0", "--log.format", "json")
    program = ("tests.support.silent_resolver",)
    with RunningExporter("serve", *flags, log=directory / "serve.log", program=program) as exporter:
        exporter.url = f"http://{exporter.wait_for_event('listening')['address']}"
        yield exporter


@pytest.mark.slow
def test_nobody_else_waits_for_a_look_up(tmp_path: Path) -> None:
    with ScriptedApi() as api, running(tmp_path, api) as exporter:
        api.default = has_ended()
        time.sleep(3.0)  # every account and every list has asked for its name by now
        for _ in range(5):
            page = httpx.get(f"{exporter.url}/metrics", timeout=30)
            assert page.status_code == 200
        assert httpx.get(f"{exporter.url}/config", timeout=30).status_code == 200

        (tmp_path / "tasks" / "some.txt").write_text("task_new")
        until(lambda: "task_new" in followed(exporter.url), "the file is read", seconds=30.0)
        until(lambda: outcomes(tmp_path) == ["task_new"], "it is polled, and written down", seconds=30.0)

        exporter.send(signal.SIGTERM)
        began = time.monotonic()
        assert exporter.wait() == 0, exporter.output
        assert time.monotonic() - began < 9.0
        assert "Traceback" not in exporter.output
