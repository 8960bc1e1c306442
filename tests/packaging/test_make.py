"""What make does, told by a Python that only writes down what it is asked."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NEEDED = ["Makefile", "pyproject.toml", "requirements/dev.lock", "scripts/find-python"]

RECORDER = """\
#!/bin/sh
echo "$*" >>"$LOG"
env >"$LOG.environment"
case "$*" in
"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
"$FAIL"*) exit 1 ;;
esac
"""

VENV = "-m venv --clear .venv"
PIP = "-m pip --disable-pip-version-check --quiet install"
DEPENDENCIES = f"{PIP} --require-hashes -r requirements/dev.lock"
PROJECT_ITSELF = f"{PIP} --no-deps --no-build-isolation --editable ."


class Tree:
    """A copy of the files that setting up needs, with a recording Python."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        for name in NEEDED:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, root / name)
        self.python = root / "recorder"
        self.python.write_text(RECORDER)
        self.python.chmod(0o755)

    def make(self, *arguments: str, fail: str = "nothing fails", **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}
        return subprocess.run(
            ["make", "--no-print-directory", f"PYTHON={self.python}", *arguments],
            cwd=self.root,
            env=kept | environ | {"LOG": str(self.log), "FAIL": fail},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What Python was asked since the last time, but for the look at its version."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line for line in lines if not line.startswith("-c ")]

    def touch(self, name: str) -> None:
        later = (self.root / ".venv/project.stamp").stat().st_mtime + 1
        os.utime(self.root / name, (later, later))


ALERTING = ".venv/bin/pytest -m alerting --numprocesses=0 tests/e2e/alerting"
INSTALLED, NEWEST = (f"BYTESPIKE_TEST_SERVERS={name} {ALERTING}" for name in ("installed", "newest"))
PYTEST = ".venv/bin/pytest --numprocesses=3 --dist=worksteal"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_set_up_installs_what_is_pinned_then_the_project(tree: Tree) -> None:
    assert tree.make("setup").returncode == 0
    assert tree.calls() == [VENV, DEPENDENCIES, PROJECT_ITSELF]


def test_set_up_is_done_once(tree: Tree) -> None:
    tree.make("setup")
    tree.calls()
    assert tree.make("setup").returncode == 0
    assert tree.calls() == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [("requirements/dev.lock", [VENV, DEPENDENCIES, PROJECT_ITSELF]), ("pyproject.toml", [PROJECT_ITSELF])],
)
def test_set_up_is_done_again_after_a_change(tree: Tree, changed: str, expected: list[str]) -> None:
    tree.make("setup")
    tree.calls()
    tree.touch(changed)
    tree.make("setup")
    assert tree.calls() == expected


def test_a_failed_install_is_tried_again(tree: Tree) -> None:
    assert tree.make("setup", fail=DEPENDENCIES).returncode == 2
    assert tree.calls() == [VENV, DEPENDENCIES]
    assert tree.make("setup").returncode == 0
    assert tree.calls() == [VENV, DEPENDENCIES, PROJECT_ITSELF]


def test_without_a_fit_python_set_up_says_what_is_needed(tree: Tree) -> None:
    result = tree.make("setup", fail="-c ")
    assert result.returncode == 2
    assert "3.11 or later" in result.stderr
    assert tree.calls() == []


def test_what_is_compiled_is_kept_whatever_the_environment_says(tree: Tree) -> None:
    tree.make("setup", PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1")
    environ = dict(line.split("=", 1) for line in (tree.root / "log.environment").read_text().splitlines())
    assert "PYTHONDONTWRITEBYTECODE" not in environ
    assert "PYTHONUNBUFFERED" in environ


def test_make_alone_lists_every_target(tree: Tree) -> None:
    listed = re.findall(r"^make (\w+) ", tree.make().stdout, re.MULTILINE)
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert listed == phony.split()


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        ("demo", [".venv/bin/bytespike-exporter demo --some"]),
        ("test", [f"{PYTEST} --some"]),
        (
            "check",
            [
                *(".venv/bin/ruff check .", ".venv/bin/mypy"),
                *(
                    f'{PYTEST} -m "not long and not alerting" --cov --cov-report=term --some',
                    f"{PYTEST} -m long --some",
                    INSTALLED,
                    NEWEST,
                ),
            ],
        ),
        ("slow", [f'{PYTEST} -m "slow and not long and not alerting" --some']),
        ("long", [f"{PYTEST} -m long --some"]),
        ("newcomer", [f"{PYTEST} -m long tests/packaging/test_newcomer.py --some"]),
        ("alerting", [f"{INSTALLED} --some", f"{NEWEST} --some"]),
        ("docs", [".venv/bin/python scripts/generated.py write"]),
        ("bench", [".venv/bin/python -m benchmarks.report --some"]),
        ("soak", [".venv/bin/python -m benchmarks.soak --some"]),
    ],
)
def test_a_target_sets_up_and_runs_its_command_with_what_was_added(
    tree: Tree, target: str, commands: list[str]
) -> None:
    planned = [line.strip() for line in tree.make("--dry-run", target, "ARGS=--some").stdout.splitlines()]
    assert f".venv/bin/python {DEPENDENCIES}" in planned
    assert [line for line in planned if line in commands] == commands
    assert planned[-1] == commands[-1]


def test_clean_leaves_the_ledger(tree: Tree) -> None:
    ledger = tree.root / "data/ledger.db"
    ledger.parent.mkdir()
    ledger.write_text("counts")
    tree.make("setup")
    assert tree.make("clean").returncode == 0
    assert not (tree.root / ".venv").exists()
    assert ledger.read_text() == "counts"
