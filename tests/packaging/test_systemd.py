"""The systemd unit, asked of the real systemd-analyze where there is one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.cli import serve

PROJECT = Path(__file__).parents[2]
UNIT = PROJECT / "config/systemd/bytespike-exporter.service"

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


def test_it_has_the_time_that_it_takes_to_stop() -> None:
    [limit] = setting("TimeoutStopSec")
    assert int(limit.removesuffix("s")) > serve.STOP_SECONDS


def test_proc_stays_whole() -> None:
    """process_start_time_seconds is computed from /proc/stat, which ``ProcSubset=pid`` would hide."""
    assert setting("ProcSubset") == []
