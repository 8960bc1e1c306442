"""Generated files: written by their generators, and drift is told as a diff."""

import subprocess
from pathlib import Path

import pytest

from scripts.generated import GENERATED, ROOT, main

TABLE = {"out/colours.md": "colours"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "colours.py").write_text("print('red')\nprint('grün')\n", encoding="utf-8")
    return tmp_path


def test_what_was_written_has_not_drifted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["write"], root, TABLE) == 0
    assert (root / "out/colours.md").read_text(encoding="utf-8") == "red\ngrün\n"
    assert main(["check"], root, TABLE) == 0
    assert capsys.readouterr().out == "generated files: up to date\n"


def test_drift_is_told_as_a_diff_and_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["write"], root, TABLE)
    (root / "out/colours.md").write_text("red\nblue\n")
    assert main(["check"], root, TABLE) == 1
    assert capsys.readouterr().out.splitlines() == [
        "--- out/colours.md",
        "+++ python -m colours",
        "@@ -1,2 +1,2 @@",
        " red",
        "-blue",
        "+grün",
        "Run: make docs",
    ]
    assert (root / "out/colours.md").read_text() == "red\nblue\n"


def test_a_missing_file_has_drifted(root: Path) -> None:
    assert main(["check"], root, TABLE) == 1


def test_a_generator_that_fails_leaves_the_file_as_it_is(root: Path) -> None:
    main(["write"], root, TABLE)
    (root / "colours.py").write_text("print('half')\nraise SystemExit(1)\n")
    with pytest.raises(subprocess.CalledProcessError):
        main(["write"], root, TABLE)
    assert (root / "out/colours.md").read_text(encoding="utf-8") == "red\ngrün\n"


@pytest.mark.parametrize("arguments", [[], ["rewrite"], ["write", "check"]])
def test_an_unknown_command_is_a_usage_error(arguments: list[str], root: Path) -> None:
    assert main(arguments, root, TABLE) == 2


@pytest.mark.parametrize(("name", "module"), GENERATED.items())
def test_every_generator_of_the_project_exists(name: str, module: str) -> None:
    assert (ROOT / Path(*module.split("."))).with_suffix(".py").is_file()
