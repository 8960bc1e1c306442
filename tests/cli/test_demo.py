import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from exporter.cli import demo as module
from exporter.demo.monitoring import PROMETHEUS, look
from tests.support.processes import Running

pytestmark = pytest.mark.e2e


@pytest.mark.slow
def test_it_shows_where_to_look_and_a_signal_stops_all_of_it(tmp_path: Path) -> None:
    arguments = ("--port", "0", "--seed", "3", "--time-scale", "20")
    with Running("demo", *arguments, log=tmp_path / "log", env={"TMPDIR": str(tmp_path)}) as demo:
        demo.wait_for_text("Ctrl-C stops everything.")
        addresses = re.findall(r"^  [A-Z].*? (http://\S+)$", demo.output, re.MULTILINE)
        assert len(addresses) >= 4 + (PROMETHEUS in look().programs)
        for address in addresses:
            assert httpx.get(address, trust_env=False, follow_redirects=True, timeout=30).status_code == 200
        suggested = re.findall(r"^  (.* scenario .*)$", demo.output, re.MULTILINE)
        assert len(suggested) == len(module.SUGGESTIONS)
        for line in suggested:
            done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
            assert (done.returncode, " is on until " in done.stdout) == (0, True), done.stderr

        demo.send(signal.SIGINT)
        assert demo.wait() == 0
        assert demo.output.endswith("Stopped.\n")
        for address in addresses:
            with pytest.raises(httpx.ConnectError):
                httpx.get(address, trust_env=False, timeout=30)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells a process that its parent has died")
def test_a_demo_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    with Running("demo", "--port", "0", log=tmp_path / "log", env={"TMPDIR": str(tmp_path)}) as demo:
        demo.wait_for_text("Ctrl-C stops everything.")
        addresses = set(re.findall(r"http://[^/\s]+", demo.output))
        assert len(addresses) == 2 + len(look().programs)
        assert all(answers(address) for address in addresses)
        demo.send(signal.SIGKILL)
        assert demo.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while any(answers(address) for address in addresses):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(address: str) -> bool:
    try:
        httpx.get(address, trust_env=False, timeout=30)
    except httpx.TransportError:
        return False
    return True


def test_it_stops_by_itself(tmp_path: Path) -> None:
    with Running("demo", "--port", "0", "--duration", "0.5", log=tmp_path / "log") as demo:
        assert demo.wait(seconds=25) == 0


def test_a_child_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.demo.demo.ourselves", lambda *_: ("sh", "-c", "echo no such thing; exit 9"))
    result = CliRunner().invoke(module.command, ["--port", "0"])
    assert result.exit_code == 1
    assert "Error: the simulator ended (exit code 9). The end of its log:\nno such thing" in result.output
