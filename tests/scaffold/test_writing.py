"""Files are written, and what is there already stays."""

import os
from pathlib import Path

import pytest

from exporter.scaffold.rendering import File
from exporter.scaffold.writing import ScaffoldError, write

FILES = [File("exporter.yml", "one\n"), File("tasks/tasks.yml", "two\n")]


def test_directories_are_made(tmp_path: Path) -> None:
    paths = write(FILES, tmp_path / "a/b", force=False)
    assert paths == [tmp_path / "a/b/exporter.yml", tmp_path / "a/b/tasks/tasks.yml"]
    assert [path.read_text() for path in paths] == ["one\n", "two\n"]


def test_where_one_is_there_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/tasks.yml").write_text("mine\n")
    with pytest.raises(ScaffoldError, match=r"tasks\.yml is there already; nothing was written"):
        write(FILES, tmp_path, force=False)
    assert (tmp_path / "tasks/tasks.yml").read_text() == "mine\n"
    assert not (tmp_path / "exporter.yml").exists()


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "exporter.yml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ScaffoldError, match="there already"):
        write(FILES, tmp_path, force=False)
    assert not (tmp_path / "nowhere").exists()


def test_force_writes_over_files_and_through_no_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine\n")
    (tmp_path / "exporter.yml").symlink_to(elsewhere)
    (tmp_path / ".exporter.yml.new").symlink_to(elsewhere)
    write(FILES, tmp_path, force=True)
    write(FILES, tmp_path, force=True)
    assert (tmp_path / "exporter.yml").read_text() == "one\n"
    assert not (tmp_path / "exporter.yml").is_symlink()
    assert elsewhere.read_text() == "mine\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "exporter.yml", "tasks"]


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("a file")
    with pytest.raises(ScaffoldError, match=r"tasks"):
        write(FILES, tmp_path, force=False)
    (tmp_path / "exporter.yml").unlink()
    (tmp_path / "exporter.yml").mkdir()
    with pytest.raises(ScaffoldError, match=r"exporter.yml.*: cannot be written: Is a directory"):
        write(FILES, tmp_path, force=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_where_nobody_may_write_it_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ScaffoldError, match="Permission denied"):
        write(FILES, tmp_path, force=False)
    tmp_path.chmod(0o700)
