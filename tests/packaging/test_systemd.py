"""The systemd unit, asked of the real systemd-analyze where there is one."""

import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.cli import serve
from exporter.cli.exits import ExitCode
from exporter.cli.supervision import FEEDS
from exporter.service.exporter import HEARTBEAT_LATE
from tests.support.processes import start_exporter

PROJECT = Path(__file__).parents[2]
UNIT = PROJECT / "config/systemd/bytespike-exporter.service"
SOCKET = UNIT.with_suffix(".socket")

EXPOSURE = 15
"""The most that systemd-analyze may find, of 100."""


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """No server, and not on every machine that runs the tests, so that its absence is no fault."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def setting(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    """But for the program, which is not installed here."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/bytespike-exporter/bin/bytespike-exporter", "/bin/true"))
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_no_fault_in_the_socket(tmp_path: Path) -> None:
    """Its service has the same name."""
    (tmp_path / UNIT.name).write_text(
        UNIT.read_text().replace("/opt/bytespike-exporter/bin/bytespike-exporter", "/bin/true")
    )
    socket = tmp_path / SOCKET.name
    socket.write_text(SOCKET.read_text())
    done = analyze("verify", str(socket))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_socket_is_where_the_service_would_listen_itself() -> None:
    [line] = setting("ExecStart")
    [address] = re.findall(r"--web.listen-address=(\S+)", line)
    assert re.findall(r"^ListenStream=(.*)$", SOCKET.read_text(), re.MULTILINE) == [address]
    assert "Accept" not in SOCKET.read_text()


def test_little_is_exposed() -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT))
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze is older than 250")
    assert done.returncode == 0, done.stdout[-300:]


def test_the_command_line_is_one_that_the_program_takes() -> None:
    [line] = setting("ExecStart")
    program, command, *flags = line.split()
    assert program.endswith("/bytespike-exporter")
    assert command == serve.command.name
    told = CliRunner().invoke(serve.command, ["--help"]).output
    assert all(flag.partition("=")[0] in told for flag in flags)


def test_it_is_reloaded_by_the_signal_that_means_it() -> None:
    assert setting("ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_it_is_not_started_again_where_that_cannot_help() -> None:
    assert setting("Restart") == ["on-failure"]
    assert setting("RestartPreventExitStatus") == [f"{ExitCode.CONFIG:d} {ExitCode.USAGE:d}"]


def test_it_is_started_again_where_it_does_not_live_as_it_should() -> None:
    """Type=notify is what lets it give signs of life; it may be as late as /-/healthy allows without being ended."""
    assert setting("Type") == ["notify"]
    [patience] = setting("WatchdogSec")
    assert int(patience.removesuffix("s")) / FEEDS > HEARTBEAT_LATE
    assert "AF_UNIX" in setting("RestrictAddressFamilies")[0].split()


@pytest.mark.slow
def test_an_aborted_process_says_where_it_was_and_leaves_no_keys_behind(tmp_path: Path) -> None:
    assert setting("LimitCORE") == ["0"]
    [assignment] = setting("Environment")
    name, _, value = assignment.partition("=")
    config = tmp_path / "exporter.yml"
    config.write_text("accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_env: KEY}]\ntask_groups: []\n")
    with start_exporter(config, env={name: value, "KEY": "sk-byts-hidden"}) as exporter:
        resource.prlimit(exporter.pid, resource.RLIMIT_CORE, (0, 0))
        exporter.send(signal.SIGABRT)
        assert exporter.wait() == -signal.SIGABRT
        assert "most recent call first" in exporter.output
        assert "sk-byts-hidden" not in exporter.output


def test_it_has_the_time_that_it_takes_to_stop() -> None:
    [limit] = setting("TimeoutStopSec")
    assert int(limit.removesuffix("s")) > serve.STOP_SECONDS


def test_it_sees_processes_alone_and_no_other_ones() -> None:
    """The exporter does without /proc/stat: tests/metrics/test_process.py."""
    assert (setting("ProcSubset"), setting("ProtectProc")) == (["pid"], ["invisible"])


def test_descriptors_are_enough_for_what_it_may_hold_and_not_without_end() -> None:
    [limit] = setting("LimitNOFILE")
    assert 4096 <= int(limit) <= 65536
