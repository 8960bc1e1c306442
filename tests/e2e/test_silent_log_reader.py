"""Whoever reads the log may stop, as a paused terminal or a log driver that hangs does: nothing else waits for it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.scripted import write_config
from tests.support.processes import PROJECT
from tests.support.scripted_api import ScriptedApi

pytestmark = pytest.mark.e2e

PIPE_BYTES = 4096
"""The smallest there is: some twenty lines."""

RELOADS = 60
"""Each is a line of the log at least."""

LONG = 60.0


@pytest.mark.slow
def test_it_serves_and_ends_though_nobody_reads_its_log(tmp_path: Path) -> None:
    with ScriptedApi() as api:
        config = write_config(tmp_path, api.url, groups={"renders": {"static_configs": [{"task_ids": ["task_1"]}]}})
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(config), "--log.format", "json"]
        with subprocess.Popen(
            [*command, "--web.listen-address", "127.0.0.1:0"],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            start_new_session=True,
        ) as exporter:
            try:
                assert exporter.stderr is not None
                fcntl.fcntl(exporter.stderr, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
                url = f"http://{address_in(exporter)}"
                for _ in range(RELOADS):
                    assert httpx.post(f"{url}/-/reload", timeout=LONG).status_code == 200
                assert httpx.get(f"{url}/-/healthy", timeout=LONG).status_code == 200
                assert httpx.get(f"{url}/metrics", timeout=LONG).status_code == 200
                exporter.send_signal(signal.SIGTERM)
                assert exporter.wait(LONG) == 0
                last = exporter.stderr.read().splitlines()[:PIPE_BYTES]
                assert len(last) < RELOADS  # the reader had really stopped
            finally:
                exporter.kill()


def address_in(exporter: "subprocess.Popen[bytes]") -> str:
    """Read the log until it tells where the exporter listens, and no further."""
    assert exporter.stderr is not None
    for line in exporter.stderr:
        told = json.loads(line)
        if told["event"] == "listening":
            return str(told["address"])
    raise AssertionError("it ended")
