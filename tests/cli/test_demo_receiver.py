"""The command as a process: it prints what is posted to it until it is told to end."""

import errno
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from exporter.cli.demo_receiver import command
from exporter.cli.main import cli
from tests.support.processes import Running

ALERT = {"status": "firing", "labels": {"alertname": "Mine"}, "annotations": {"summary": "Look."}, "startsAt": "now"}


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_what_is_posted(tmp_path: Path, number: signal.Signals) -> None:
    with Running("demo-receiver", "--listen", "127.0.0.1:0", log=tmp_path / "log") as receiver:
        url = receiver.wait_for_text("Notifications go to ").strip()
        body = {"receiver": "page", "alerts": [ALERT]}
        assert httpx.post(f"{url}alerts", json=body, trust_env=False, timeout=30).status_code == 204
        assert receiver.wait_for_text("  page      Mine  firing    ") == "Look.\n"
        assert httpx.post(f"{url}alerts", content=b"{", trust_env=False, timeout=30).status_code == 400
        receiver.send(number)
        assert receiver.wait() == 0
        assert len(receiver.output.splitlines()) == 2


def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(cli, ["demo-receiver", "--listen", address])
    assert (result.exit_code, result.output) == (
        3,
        f"Error: cannot listen on {address}: {os.strerror(errno.EADDRINUSE)}\n",
    )


def test_an_address_that_is_none() -> None:
    result = CliRunner().invoke(command, ["--listen", "9095"])
    assert (result.exit_code, "expected HOST:PORT" in result.output) == (2, True)
