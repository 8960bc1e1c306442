"""What is printed where it cannot be: another locale, a closed pipe, a full disk, no descriptor at all."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.processes import PROJECT, START_SECONDS, start_exporter

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LATIN = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}

GOOD = "accounts: [{name: a, api_key_env: KEY}]\ntask_groups: []\n"


def run(*arguments: str | bytes, cwd: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        capture_output=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "KEY": "sk-byts-0123456789", **environ},
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ü.yml".encode(), b"\xfc.yml", "\N{HUGGING FACE}.yml".encode()], ids=["utf-8", "no text", "far away"]
)
@pytest.mark.parametrize("environ", [{}, ASCII], ids=["utf-8", "ascii"])
def test_a_name_is_printed_as_it_was_given(tmp_path: Path, name: bytes, environ: dict[str, str]) -> None:
    (tmp_path / os.fsdecode(name)).write_text(GOOD)
    done = run("check-config", name, cwd=tmp_path, **environ)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == name + b": 1 account, 0 task groups, 0 tasks: ok\n"


@pytest.mark.slow
def test_what_an_encoding_has_no_letter_for(tmp_path: Path) -> None:
    (tmp_path / "e.yml").write_text("accounts: [{name: a, api_key_env: KEY, ü€: 1}]\n", encoding="utf-8")
    done = run("check-config", "e.yml", cwd=tmp_path, **LATIN)
    assert done.returncode == 1
    assert b"accounts[0].\xfc\\u20ac: unknown key" in done.stderr


EVERY_COMMAND = [
    ["--config.file=ü", "--web.listen-address=unix:/nowhere/ü"],
    ["serve", "--config.file=ü"],
    ["serve", "--ü"],
    ["ü"],
    ["--web.listen-address=ü"],
    ["--web.route-prefix=ü"],
    ["check-config", "ü", "ü"],
    ["query", "ü", "--config.file=ü"],
    ["query", "ü", "--config.file=e.yml"],
    ["simulate", "--listen=ü"],
    ["simulate", "--scenario=ü"],
    ["scenario", "ü"],
    ["ledger", "label-sets", "--config.file=ü"],
    ["ledger", "ü"],
    ["demo", "--port=ü"],
    ["demo-receiver", "--listen=ü"],
]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=" ".join)
def test_no_command_answers_what_it_is_given_with_a_traceback(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "e.yml").write_text(GOOD.replace("api_key_env", "base_url: 'http://127.0.0.1:1', api_key_env"))
    done = run(*(argument.encode() for argument in arguments), cwd=tmp_path, **ASCII)
    assert done.returncode not in (0, 70)
    assert b"Traceback" not in done.stderr
    assert done.stderr


# ---- nobody reads, or nothing can be written -------------------------------------------------------------------------


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A pipeline in which ``exporter`` is this program; the code is that of its first part."""
    program = f"{sys.executable} -m exporter"
    return subprocess.run(
        ["bash", "-c", f'exporter() {{ {program} "$@"; }}; {command}; exit ${{PIPESTATUS[0]}}'],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "KEY": "sk-byts-0123456789"},
        timeout=120,
    )


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "e.yml").write_text(GOOD)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check-config e.yml --estimate", "--help", "serve --help", "--version"])
def test_a_reader_who_has_read_enough_is_no_fault(here: Path, command: str) -> None:
    done = shell(f"exporter {command} | true", here)
    assert (done.returncode, done.stderr) == (141, ""), "as SIGPIPE ends any other program"


@pytest.mark.slow
def test_a_full_disk_is_told(here: Path) -> None:
    done = shell("exporter check-config e.yml >/dev/full", here)
    assert (done.returncode, done.stderr) == (
        74,
        "Error: cannot write to standard output: No space left on device\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("check-config e.yml >&-", 0),
        ("check-config e.yml >&- 2>&- <&-", 0),
        ("check-config nowhere 2>&-", 1),
        ("check-config nowhere 2>/dev/full", 1),
        ("--nonsense 2>/dev/full", 2),
        ("check-config - <&-", 1),
    ],
)
def test_the_exit_code_is_the_same_where_nothing_can_be_told(here: Path, command: str, code: int) -> None:
    assert shell(f"exporter {command}", here).returncode == code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("check-config e.yml", 1, "e.yml: cannot be read: No such file or directory"),
        ("check-config - <$OLDPWD/e.yml", 1, "standard input: cannot be read: the working directory is gone"),
        ("check-config $OLDPWD/e.yml", 0, ""),
        (
            "--config.file=$OLDPWD/e.yml --web.listen-address=127.0.0.1:0",
            3,
            "Error: ledger data/ledger.db: the working directory, in which it lies, is gone",
        ),
    ],
)
def test_a_working_directory_that_is_gone(here: Path, command: str, code: int, told: str) -> None:
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; exporter {command}", here)
    assert (done.returncode, done.stderr.rstrip()) == (code, told)


@pytest.mark.slow
def test_a_working_directory_that_is_not_to_be_written_to(here: Path) -> None:
    done = shell("cd /proc; exporter --config.file=$OLDPWD/e.yml --web.listen-address=127.0.0.1:0", here)
    assert done.returncode == 3
    assert done.stderr.startswith("Error: ledger data/ledger.db: ")
    assert "Traceback" not in done.stderr


ABROAD = """\
accounts: [{name: a, base_url: 'http://127.0.0.1:1', api_key_file: schlüssel}]
task_groups: [{name: g, file_sd_configs: [{files: ['tä/*.yml']}]}]
ledger: {url: 'sqlite:///dätä/ledger.db'}
"""


@pytest.mark.slow
def test_files_that_the_configuration_names_are_found_in_any_locale(tmp_path: Path) -> None:
    (tmp_path / "exporter.yml").write_text(ABROAD, encoding="utf-8")
    (tmp_path / "schlüssel").write_text("sk-byts-0123456789")
    with start_exporter(tmp_path / "exporter.yml", env=ASCII) as exporter:
        shown = httpx.get(f"{exporter.url}/config", timeout=30).text
        assert "/schlüssel" in shown
        assert "/tä/*.yml" in shown
        assert exporter.events("config_warning") == []
        assert exporter.stop(seconds=START_SECONDS) == 0
    assert (tmp_path / "dätä/ledger.db").is_file()
