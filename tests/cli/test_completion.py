"""Completion: the scripts for each shell, and what a real bash makes of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.cli.main import COMMANDS
from tests.support.processes import PROJECT

pytestmark = pytest.mark.e2e

BASH = shutil.which("bash")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which the program is installed."""
    program = tmp_path / "bytespike-exporter"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m exporter "$@"\n')
    program.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def run(*command: str, path: str, **env: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    ("shell", "registers"),
    [
        ("bash", "complete -o nosort -F _bytespike_exporter_completion bytespike-exporter"),
        ("zsh", "compdef _bytespike_exporter_completion bytespike-exporter"),
        ("fish", "complete --no-files --command bytespike-exporter"),
    ],
)
def test_there_is_a_script_for_each_shell(shell: str, registers: str, path: str) -> None:
    script = run("bytespike-exporter", path=path, _BYTESPIKE_EXPORTER_COMPLETE=f"{shell}_source")
    assert registers in script


def completed(path: str, *words: str) -> Sequence[str]:
    """What bash offers at the end of the words."""
    script = 'eval "$(_BYTESPIKE_EXPORTER_COMPLETE=bash_source bytespike-exporter)"\n'
    script += 'COMP_WORDS=(bytespike-exporter "$@")\nCOMP_CWORD=$#\n'
    script += '_bytespike_exporter_completion bytespike-exporter\nprintf "%s\\n" "${COMPREPLY[@]}"'
    return run(BASH or "bash", "--norc", "-c", script, "bash", *words, path=path).split()


@pytest.mark.slow
@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_bash_completes_commands_flags_and_values(path: str) -> None:
    assert completed(path, "") == list(COMMANDS)
    assert completed(path, "check") == ["check-config", "check-web-config"]
    assert completed(path, "--config.") == ["--config.file"], "without a command flags are those of serve"
    assert completed(path, "init", "--way", "") == ["sidecar", "files", "api"]
    assert completed(path, "--log.format", "j") == ["json"]
