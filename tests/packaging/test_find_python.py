"""Which Python sets up the project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/find-python"

FIT = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
OLD_OR_BARE = "#!/bin/sh\nexit 1\n"
USUAL = ["python3.13", "python3.12", "python3.11", "python3", "python"]


def find(folder: Path, *candidates: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": str(folder)}
    return subprocess.run(
        ["/bin/sh", SCRIPT, *candidates], env=environment, capture_output=True, text=True, check=False
    )


def install(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("present", [USUAL[number:] for number in range(len(USUAL))])
def test_the_newest_tested_one_is_preferred(tmp_path: Path, present: list[str]) -> None:
    for name in present:
        install(tmp_path, name, FIT)
    assert find(tmp_path).stdout == f"{tmp_path / present[0]}\n"


def test_one_that_will_not_do_is_passed_over(tmp_path: Path) -> None:
    install(tmp_path, "python3.13", OLD_OR_BARE)
    install(tmp_path, "python3", FIT)
    assert find(tmp_path).stdout == f"{tmp_path / 'python3'}\n"


def test_the_one_that_is_asked_for_is_the_only_candidate(tmp_path: Path) -> None:
    install(tmp_path, "python3.13", FIT)
    mine = install(tmp_path, "mine", FIT)
    assert find(tmp_path, str(mine)).stdout == f"{mine}\n"
    assert find(tmp_path, "absent").returncode == 1


def test_none_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    install(tmp_path, "python3", OLD_OR_BARE)
    result = find(tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "No Python found that is 3.11 or later and has the venv module (Debian, Ubuntu: apt install python3-venv).\n"
        f"Looked for: {' '.join(USUAL)}. To name another one: make PYTHON=/path/to/python\n"
    )
