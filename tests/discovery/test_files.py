"""Files are read one by one; a bad one keeps what it last named."""

import os
from pathlib import Path

import pytest

from exporter.discovery import files as reading
from exporter.discovery.errors import DiscoveryError
from exporter.discovery.files import Files
from exporter.discovery.parse import Defaults
from exporter.discovery.rounds import Found

DEFAULTS = Defaults("sora-2", (), frozenset())


def ids(found: Found) -> list[str]:
    return [name for target in found.targets for name in (*target.task_ids, *target.out_task_ids)]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files((f"{tmp_path}/*",), DEFAULTS)


def test_every_format_in_the_order_of_the_paths(tmp_path: Path, files: Files) -> None:
    (tmp_path / "b.json").write_text('[{"task_ids": ["one"]}]')
    (tmp_path / "a.yml").write_text("- task_ids: [two]\n  model: other")
    (tmp_path / "c.txt").write_text("task_3\n")
    (tmp_path / "directory").mkdir()

    found = files.read()

    assert found.faults == ()
    assert ids(found) == ["two", "one", "task_3"]
    assert [target.model for target in found.targets] == ["other", "sora-2", "sora-2"]


def test_a_bad_file_keeps_its_last_good_items_while_others_go_on(tmp_path: Path, files: Files) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    files.read()

    (tmp_path / "a.txt").write_text("a\nno id\n")
    (tmp_path / "b.txt").write_text("b\nc\n")
    found = files.read()

    fault = f"{tmp_path}/a.txt:2: expected an id: printable, without spaces, 200 characters at most"
    assert (ids(found), found.faults) == (["a", "b", "c"], (fault,))
    assert files.read() == found, "and as long as it stays so"

    (tmp_path / "a.txt").write_text("d")
    assert files.read() == Found(files.read().targets, ())
    assert ids(files.read()) == ["d", "b", "c"]


def test_a_bad_file_that_never_was_good(tmp_path: Path, files: Files) -> None:
    (tmp_path / "a.yml").write_text("- [}")
    (tmp_path / "b.yml").write_text("- x: 1\n  y: 1\n")

    found = files.read()

    assert ids(found) == []
    assert [fault.removeprefix(f"{tmp_path}/") for fault in found.faults] == [
        "a.yml:1: this is not YAML: did not find expected node content",
        "b.yml:1: [0].x: unknown key; allowed: task_ids, out_task_ids, model, labels, submitted_at (and 2 more)",
    ]


def test_what_was_bad_is_forgotten_with_its_file(tmp_path: Path, files: Files) -> None:
    (tmp_path / "a.txt").write_text("a")
    files.read()
    (tmp_path / "a.txt").write_text("no id")
    assert ids(files.read()) == ["a"]

    (tmp_path / "a.txt").unlink()
    assert files.read() == Found(())
    (tmp_path / "a.txt").write_text("no id")
    assert ids(files.read()) == []


@pytest.mark.parametrize("kind", ["fifo", "dangling", "loop"])
def test_what_cannot_be_read_keeps_its_last_good_items(tmp_path: Path, files: Files, kind: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")
    files.read()
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere" if kind == "dangling" else "a.txt")

    found = files.read()

    reasons = {
        "fifo": "it is not a regular file",
        "dangling": "No such file or directory",
        "loop": "Too many levels of symbolic links",
    }
    assert (ids(found), found.faults) == (["a"], (f"{path}: cannot be read: {reasons[kind]}",))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path, files: Files) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")
    files.read()
    path.chmod(0)

    found = files.read()

    assert (ids(found), found.faults) == (["a"], (f"{path}: cannot be read: Permission denied",))


def test_a_file_that_goes_while_it_is_looked_for(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "matching", lambda _patterns: [tmp_path / "gone.txt"])

    assert files.read() == Found(())


def test_a_file_that_is_too_large(tmp_path: Path, files: Files) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)

    assert files.read().faults == (f"{tmp_path}/a.txt: is larger than 16 MiB, the most that is allowed",)


def test_all_files_together_have_a_limit(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_IDS", 3)
    (tmp_path / "a.txt").write_text("a\nb")
    (tmp_path / "b.txt").write_text("c")
    assert len(ids(files.read())) == 3

    (tmp_path / "b.txt").write_text("c\nd")
    with pytest.raises(DiscoveryError, match=r"^the files name more than 3 tasks, the most that is allowed$"):
        files.read()
