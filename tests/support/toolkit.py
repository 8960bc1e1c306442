"""Prometheus' exporter-toolkit itself: its examples, and a Go exporter that is built on it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.processes import PROJECT

SOURCE = Path(__file__).parent / "go_exporter"
DIRECTORY = PROJECT / ".venv-go" / "toolkit"
MODULE = "github.com/prometheus/exporter-toolkit@v0.20.0"

ENVIRON = {**os.environ}
"""As it was before any test began: the module proxy is a real server, whom only real authorities vouch for."""

NO_GO = "Go is not installed: the exporter-toolkit's own examples and a Go exporter to compare with come with it"


def examples() -> Path:
    """The folder of web configurations that the toolkit tests itself with, by way of the Go module proxy."""
    with _locked():
        told = _go("mod", "download", "-json", MODULE, cwd=_copy())
    return Path(json.loads(told)["Dir"]) / "web" / "testdata"


def build() -> Path:
    """The Go exporter; the first time takes a minute."""
    program = DIRECTORY / "exporter"
    with _locked():
        copy = _copy()
        if not program.exists() or program.stat().st_mtime < (SOURCE / "main.go").stat().st_mtime:
            _go("build", "-mod=mod", "-trimpath", "-o", str(program), ".", cwd=copy)
    return program


def checked(program: Path, files: Sequence[Path]) -> list[str]:
    """What the toolkit says of each file: ``ok``, or ``refused: `` and why."""
    told = subprocess.run([program, "check", *files], capture_output=True, text=True, check=True)
    return told.stdout.splitlines()


@contextmanager
def serving(program: Path, files: Sequence[Path]) -> Iterator[list[str]]:
    """A Go exporter for each file; their addresses, or ``refused: `` and why."""
    command = [str(program), "serve", *map(str, files)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().strip() for _ in files]
        finally:
            process.kill()


@contextmanager
def _locked() -> Iterator[None]:
    """One process at a time: tests run in several."""
    if shutil.which("go") is None:
        pytest.skip(NO_GO)
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with FileLock(DIRECTORY / "lock"):
        yield


def _copy() -> Path:
    """Go writes beside its sources."""
    copy = DIRECTORY / "source"
    copy.mkdir(exist_ok=True)
    for file in SOURCE.iterdir():
        if not (copy / file.name).exists() or file.suffix == ".go":
            shutil.copy(file, copy)
    return copy


def _go(*arguments: str, cwd: Path) -> str:
    env = {**ENVIRON, "GOPATH": str(DIRECTORY / "gopath"), "GOFLAGS": "-modcacherw"}
    told = subprocess.run(["go", *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if told.returncode:
        pytest.skip(f"the Go module proxy did not give what is needed: {told.stderr.strip()[-300:]}")
    return told.stdout
