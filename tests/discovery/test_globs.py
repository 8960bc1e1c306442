"""What a glob matches on a real file system, and which directories have to be watched for it."""

import os
from pathlib import Path

import pytest

from exporter.discovery import globs
from exporter.discovery.globs import directories, matching
from exporter.discovery.source import DiscoveryError

FILES = ("a.yml", "b.yml", "c.json", ".hidden.yml", "[x].yml", "sub/a.yml", "sub/deep/a.yml", "other/b.yml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "dangling.txt").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "matched"),
    [
        (["a.yml"], ["a.yml"]),
        (["*.yml"], ["[x].yml", "a.yml", "b.yml"]),
        (["*.yml", "a.*", "a.yml"], ["[x].yml", "a.yml", "b.yml"]),
        (["?.yml"], ["a.yml", "b.yml"]),
        (["[ac].*"], ["a.yml", "c.json"]),
        (["[!ac].*"], ["b.yml"]),
        (["[[]x].yml"], ["[x].yml"]),
        ([".*.yml"], [".hidden.yml"]),
        (["*/*.yml"], ["other/b.yml", "sub/a.yml"]),
        (["*/a.yml"], ["sub/a.yml"]),
        (["s*/d*/a.yml"], ["sub/deep/a.yml"]),
        (["**/a.yml"], ["sub/a.yml"]),
        (["dangling*", "dangling.txt"], ["dangling.txt"]),
        (["nowhere.yml", "nowhere/*.yml", "a.yml/*.yml", "a.yml/b", "*/nowhere/*"], []),
    ],
)
def test_what_globs_match(folder: Path, patterns: list[str], matched: list[str]) -> None:
    assert matching(f"{folder}/{pattern}" for pattern in patterns) == [folder / name for name in matched]


def test_their_number_has_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(globs, "MAX_FILES", 3)
    assert len(matching([f"{folder}/*.yml"])) == 3

    monkeypatch.setattr(globs, "MAX_FILES", 2)
    with pytest.raises(DiscoveryError, match=r"^the globs match more than 2 files, the most that is allowed$"):
        matching([f"{folder}/*.yml"])


def test_a_directory_that_cannot_be_looked_at_is_not_an_empty_one(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")

    with pytest.raises(
        DiscoveryError, match=rf"^{folder}/loop: cannot be looked at: Too many levels of symbolic links$"
    ):
        matching([f"{folder}/loop/*.yml"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
@pytest.mark.parametrize("pattern", ["*.yml", "a.yml"])
def test_a_directory_that_may_not_be_looked_at(folder: Path, pattern: str) -> None:
    (folder / "sub").chmod(0)

    with pytest.raises(DiscoveryError, match=r": cannot be looked at: Permission denied$"):
        matching([f"{folder}/sub/{pattern}"])


@pytest.mark.parametrize(
    ("pattern", "watched"),
    [
        ("*.yml", ["."]),
        ("sub/a.yml", ["sub"]),
        ("nowhere/at/all/*.yml", ["."]),
        ("sub/nowhere/*.yml", ["sub"]),
        ("a.yml/*.yml", ["."]),
        ("*/*.yml", [".", "other", "sub"]),
        ("s*/d*/*.yml", [".", "sub", "sub/deep"]),
        ("s*/nowhere/*.yml", [".", "sub"]),
    ],
)
def test_where_changes_show(folder: Path, pattern: str, watched: list[str]) -> None:
    assert directories([f"{folder}/{pattern}"]) == {folder / name for name in watched}
