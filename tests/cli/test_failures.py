"""Why a command ends, as lines of the log: one JSON object a reason, and the exit code that is documented."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from exporter.cli.failures import wants_json
from tests.support.processes import PROJECT, START_SECONDS

CONFIG = """\
accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_env: KEY}]
task_groups: []
"""
CRASHES = """
from exporter.cli import serve
from exporter.cli.entry import main

serve.SystemClock = lambda: 1 / 0
main()
"""
VARIABLE = "BYTESPIKE_EXPORTER_LOG_FORMAT"


def serve(
    here: Path, *flags: str, config: str = CONFIG, program: Sequence[str] = ("-m", "exporter")
) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what it said: each line has to be JSON."""
    (here / "e.yml").write_text(config)
    done = subprocess.run(
        [sys.executable, *program, "--config.file=e.yml", "--web.listen-address=127.0.0.1:0", *flags],
        capture_output=True,
        text=True,
        check=False,
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "KEY": "sk-byts-4d0f6c1b2a9e8d7c", VARIABLE: "json"},
        timeout=START_SECONDS * 3,
    )
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(line["level"] == "error" and line["event"] == "fatal" for line in lines)
    return done.returncode, lines


@pytest.mark.slow
def test_every_fault_of_the_configuration(tmp_path: Path) -> None:
    code, lines = serve(tmp_path, config="accounts: []\nglbal: {}\n")
    assert code == 1
    assert [(line["file"], line["line"], line["key"], line["exit_code"]) for line in lines] == [
        ("e.yml", 1, "accounts", 1),
        ("e.yml", 2, "glbal", 1),
    ]


@pytest.mark.slow
def test_the_second_of_two_addresses_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, [line] = serve(tmp_path, f"--web.listen-address={address}")
    assert (code, line["exit_code"], line["error"]) == (3, 3, f"cannot listen on {address}: Address already in use")


@pytest.mark.slow
def test_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the ledger's directory should be")
    code, [line] = serve(tmp_path)
    assert (code, line["exit_code"]) == (3, 3)
    assert line["error"].startswith("ledger data/ledger.db: ")


@pytest.mark.slow
def test_a_wrong_command_line(tmp_path: Path) -> None:
    code, [line] = serve(tmp_path, "--nonsense")
    assert (code, line["exit_code"], line["error"]) == (2, 2, "No such option '--nonsense'.")


@pytest.mark.slow
def test_a_crash(tmp_path: Path) -> None:
    code, [line] = serve(tmp_path, program=("-c", CRASHES))
    assert (code, line["exit_code"], line["error"]) == (70, 70, "ZeroDivisionError('division by zero')")
    assert line["exception"].startswith("Traceback ")


@pytest.mark.parametrize(
    ("arguments", "environ", "wanted"),
    [
        ([], {}, False),
        ([], {VARIABLE: "json"}, True),
        (["--log.format=json", "--nonsense"], {}, True),
        (["--log.format", "json"], {VARIABLE: "logfmt"}, True),
        (["--log.format=logfmt"], {VARIABLE: "json"}, False),
        (["--log.format=json", "--log.format=logfmt"], {}, False),
        (["--log.format"], {VARIABLE: "json"}, False),
    ],
)
def test_what_is_asked_for_is_seen_whatever_else_is_wrong(
    arguments: list[str], environ: dict[str, str], wanted: bool
) -> None:
    assert wants_json(arguments, environ, variable=VARIABLE) is wanted
