"""Files that change in every way that files do, on a real file system and in real time."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.discovery import file_sd
from exporter.discovery.file_sd import Files, FileSource, file_sources
from exporter.discovery.items import Items
from exporter.discovery.lists import Defaults, ListParser
from exporter.discovery.source import DiscoveryError, Reading
from exporter.settings.model import FileSdSettings
from tests.support.fake_clock import FakeClock
from tests.support.listening import calls_counted, running

PARSER = ListParser("default", "renders", Defaults("sora-2", (), frozenset()))
NEVER = 86_400.0
"""With so long a refresh interval, all that is seen is seen by notification."""


def source(*patterns: str, refresh_interval: float = NEVER) -> FileSource:
    [source] = file_sources([FileSdSettings(patterns, refresh_interval)], PARSER)
    return source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory as it is when the exporter starts: two files, and a third of no concern."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "b.yml").write_text("- task_ids: [b]")
    (folder / "c.bak").write_text("c")
    return folder


def write(folder: Path) -> None:
    (folder / "a.txt").write_text("a\nz\n")


def add(folder: Path) -> None:
    (folder / "c.json").write_text('[{"out_task_ids": ["c"]}]')


def append(folder: Path) -> None:
    with (folder / "a.txt").open("a") as file:
        file.write("\nz\n")


def replace(folder: Path) -> None:
    (folder / ".a.new").write_text("z")
    (folder / ".a.new").rename(folder / "a.txt")


def delete(folder: Path) -> None:
    (folder / "a.txt").unlink()


def rename(folder: Path) -> None:
    (folder / "b.yml").rename(folder / "0.yml")


def truncate(folder: Path) -> None:
    (folder / "a.txt").write_text("")


def delete_all(folder: Path) -> None:
    shutil.rmtree(folder)


def delete_and_write_again(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    add(folder)


def write_in_parts(folder: Path) -> None:
    with (folder / "b.yml").open("w") as file:
        for part in ("- task_ids: [x", "\n", "  ,y", "]\n"):
            file.write(part)
            file.flush()
            os.fsync(file.fileno())


@pytest.mark.parametrize(
    ("event", "ids"),
    [
        (write, ["a", "z", "b"]),
        (add, ["a", "b", "c"]),
        (append, ["a", "z", "b"]),
        (replace, ["z", "b"]),
        (delete, ["b"]),
        (rename, ["b", "a"]),
        (truncate, ["b"]),
        (delete_all, []),
        (delete_and_write_again, ["c"]),
        (write_in_parts, ["a", "x", "y"]),
    ],
)
async def test_what_happens_to_files_shows(folder: Path, event: Callable[[Path], None], ids: list[str]) -> None:
    globs = (f"{folder}/*.txt", f"{folder}/*.yml", f"{folder}/*.json")
    async with running(source(*globs), clock=SystemClock()) as ears:
        await ears.until(lambda: ears.ids == ["a", "b"])
        event(folder)
        await ears.until(lambda: ears.ids == ids)
    assert ears.failures == []


async def test_a_bad_file_keeps_its_items_until_it_is_good_or_gone(folder: Path) -> None:
    async with running(source(f"{folder}/*.txt", f"{folder}/*.yml"), clock=SystemClock()) as ears:
        await ears.until(lambda: ears.ids == ["a", "b"])
        (folder / "a.txt").write_text("no id")
        await ears.until(lambda: ears.failures)
        (folder / "b.yml").write_text("- task_ids: [c]")
        await ears.until(lambda: ears.ids == ["a", "c"])
        assert all(len(reasons) == 1 and f"{folder}/a.txt:1: " in reasons[0] for reasons in ears.failures)

        (folder / "a.txt").unlink()
        await ears.until(lambda: ears.ids == ["c"] and ears.refreshes == 2)


async def test_a_config_map_that_is_swapped(tmp_path: Path) -> None:
    """As kubelet does it: files are links through ``..data``, which is a link that is replaced."""

    def publish(name: str, ids: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "tasks.txt").write_text(ids)
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    publish("..2026_05_25", "a")
    (tmp_path / "tasks.txt").symlink_to("..data/tasks.txt")
    async with running(source(f"{tmp_path}/*.txt"), clock=SystemClock()) as ears:
        await ears.until(lambda: ears.ids == ["a"])
        publish("..2026_05_26", "b")
        shutil.rmtree(tmp_path / "..2026_05_25")
        await ears.until(lambda: ears.ids == ["b"])
    assert ears.failures == []


async def test_a_directory_that_comes_later(tmp_path: Path) -> None:
    async with running(source(f"{tmp_path}/not/yet/*.txt"), clock=SystemClock()) as ears:
        await ears.until(lambda: ears.lists == [Items()])
        (tmp_path / "not" / "yet").mkdir(parents=True)
        (tmp_path / "not" / "yet" / "a.txt").write_text("a")
        await ears.until(lambda: ears.ids == ["a"])


async def test_a_directory_that_a_glob_matches_later(tmp_path: Path) -> None:
    async with running(source(f"{tmp_path}/app-*/ids.txt"), clock=SystemClock()) as ears:
        await ears.until(lambda: ears.lists == [Items()])
        for name in ("app-1", "app-2", "other"):
            (tmp_path / name).mkdir()
        await ears.until(lambda: ears.rounds > 1)
        for name in ("app-1", "app-2", "other"):
            (tmp_path / name / "ids.txt").write_text(name)
        await ears.until(lambda: ears.ids == ["app-1", "app-2"])


def link(path: Path, target: str) -> None:
    """Let a path be a link from here on, in one step."""
    (path.parent / "new").symlink_to(target)
    (path.parent / "new").rename(path)


async def test_a_directory_that_is_a_link_and_swapped(folder: Path) -> None:
    current = folder.parent / "current"
    link(current, "tasks")
    async with running(source(f"{current}/*.txt"), clock=SystemClock()) as ears:
        await ears.until(lambda: ears.ids == ["a"])
        shutil.copytree(folder, folder.parent / "next")
        (folder.parent / "next" / "a.txt").write_text("b")
        link(current, "next")
        await ears.until(lambda: ears.ids == ["b"])

        link(current, "current")
        await ears.until(lambda: ears.failures)
        assert ears.failures == [(f"{current}: cannot be looked at: Too many levels of symbolic links",)]
        assert ears.ids == ["b"], "what cannot be looked at is not known to be gone"


async def test_the_refresh_interval_is_the_backstop(tmp_path: Path) -> None:
    """Behind a link to elsewhere nothing notifies."""
    target = tmp_path / "elsewhere" / "ids.txt"
    target.parent.mkdir()
    target.write_text("a")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "ids.txt").symlink_to(target)
    clock = FakeClock()
    async with running(source(f"{tmp_path}/tasks/ids.txt", refresh_interval=60.0), clock=clock) as ears:
        await ears.until(lambda: ears.refreshes == 1)
        target.write_text("b")
        await clock.advance(59.0)
        assert ears.ids == ["a"]
        await clock.advance(1.5)
        await ears.until(lambda: ears.refreshes == 2)
        assert ears.ids == ["b"]

        await clock.advance(60.0)
        await ears.until(lambda: ears.refreshes == 3)
        assert len(ears.lists) == 2, "what did not change is not told again"


@pytest.mark.parametrize("size", [10, 20_000])
async def test_the_loop_does_not_walk_the_tasks(tmp_path: Path, size: int) -> None:
    ids = [f"render-{number}" for number in range(size)]
    path, clock = tmp_path / "a.txt", FakeClock()
    with calls_counted() as calls:
        async with running(source(str(path), refresh_interval=60.0), clock=clock) as ears:
            await ears.until(lambda: ears.refreshes)
            for text in ("\n".join(ids), "\n".join([*ids, ""]), "\n".join([*ids, "another"])):
                path.write_text(text)
                await ears.after_refresh(clock.advance(60.0))
            await ears.until(lambda: len(ears.ids) == size + 1)
    assert calls.count < 1000


async def test_a_first_refresh_with_one_bad_file_of_two(folder: Path) -> None:
    (folder / "a.txt").write_text("no id")
    async with running(source(f"{folder}/*.txt", f"{folder}/*.yml"), clock=SystemClock()) as ears:
        await ears.until(lambda: ears.failures)
        assert (ears.ids, ears.is_whole, ears.refreshes) == (["b"], False, 0)

        (folder / "a.txt").write_text("a")
        await ears.until(lambda: ears.refreshes)
        assert (ears.ids, ears.is_whole) == (["a", "b"], True)


async def test_a_list_that_could_not_be_taken_is_offered_again(folder: Path) -> None:
    clock = FakeClock()
    async with running(source(f"{folder}/*.txt", refresh_interval=60.0), clock=clock) as ears:
        ears.is_deaf = True
        await ears.until(lambda: ears.failures == [("the disk is gone",)])
        ears.is_deaf = False
        await clock.advance(60.5)
        await ears.until(lambda: ears.ids == ["a"])


# ---- one reading after the other -------------------------------------------------------------------------------------


def ids(found: Reading) -> list[str]:
    return [str(item.ref.task_id or item.ref.out_task_id) for item in found.items]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files((f"{tmp_path}/*",), PARSER)


def test_every_format_in_the_order_of_the_paths(tmp_path: Path, files: Files) -> None:
    (tmp_path / "b.json").write_text('[{"task_ids": ["one"]}]')
    (tmp_path / "a.yml").write_text("- task_ids: [two]\n  model: other")
    (tmp_path / "c.txt").write_text("task_3\n")
    (tmp_path / "directory").mkdir()

    found = files.read()

    assert found.faults == ()
    assert ids(found) == ["two", "one", "task_3"]
    assert [item.labels.model for item in found.items] == ["other", "sora-2", "sora-2"]


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
    assert files.read() == Reading(files.read().items, ())
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


def test_what_names_the_same_is_the_same(tmp_path: Path, files: Files) -> None:
    (tmp_path / "a.txt").write_text("a\nb")
    items = files.read().items
    assert files.read().items is items
    (tmp_path / "a.txt").write_text("a\n\n# a comment\nb")
    assert files.read().items is items
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert files.read().items is items


def test_what_replaces_a_list_leaves_that_of_another_file_alone(tmp_path: Path, files: Files) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    before = files.read().items
    (tmp_path / "a.txt").write_text("c")

    assert ids(files.read()) == ["c", "b"]
    before.let_go()  # as it is done with what has been replaced
    assert ids(files.read()) == ["c", "b"]
    assert {len(each) for each in files.held} == {2, 1}


def test_what_was_bad_is_forgotten_with_its_file(tmp_path: Path, files: Files) -> None:
    (tmp_path / "a.txt").write_text("a")
    files.read()
    (tmp_path / "a.txt").write_text("no id")
    assert ids(files.read()) == ["a"]

    (tmp_path / "a.txt").unlink()
    assert files.read() == Reading(Items())
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
    monkeypatch.setattr(file_sd, "matching", lambda _patterns: [tmp_path / "gone.txt"])

    assert files.read() == Reading(Items())


def test_a_file_that_is_too_large(tmp_path: Path, files: Files) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)

    assert files.read().faults == (f"{tmp_path}/a.txt: is larger than 16 MiB, the most that is allowed",)


def test_all_files_together_have_a_limit(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_sd, "MAX_IDS", 3)
    (tmp_path / "a.txt").write_text("a\nb")
    (tmp_path / "b.txt").write_text("c")
    assert len(ids(files.read())) == 3

    (tmp_path / "b.txt").write_text("c\nd")
    with pytest.raises(DiscoveryError, match=r"^the files name more than 3 tasks, the most that is allowed$"):
        files.read()


def test_a_source_may_set_the_limit_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\nb")
    (tmp_path / "b.txt").write_text("c")
    globs = (f"{tmp_path}/*.txt",)

    assert len(ids(Files(globs, dataclasses.replace(PARSER, max_tasks=3)).read())) == 3
    with pytest.raises(DiscoveryError, match=r"^the files name more than 2 tasks, the most that is allowed$"):
        Files(globs, dataclasses.replace(PARSER, max_tasks=2)).read()


def test_each_entry_has_its_own_limit() -> None:
    entries = [FileSdSettings(files=("/a",), max_tasks=1_000_000), FileSdSettings(files=("/b",))]

    assert [source.parser.max_tasks for source in file_sources(entries, PARSER)] == [1_000_000, 100_000]


def test_an_entry_may_say_how_long_a_file_may_be(tmp_path: Path) -> None:
    entry = FileSdSettings(files=(str(tmp_path / "ids.txt"),), max_bytes=5)
    [source] = file_sources([entry], PARSER)
    (tmp_path / "ids.txt").write_bytes(b"a\nb\nc")
    assert len(ids(Files(source.globs, source.parser).read())) == 3

    (tmp_path / "ids.txt").write_bytes(b"a\nb\nc\n")
    [fault] = Files(source.globs, source.parser).read().faults
    assert "is larger than" in fault
