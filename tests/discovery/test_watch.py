"""Notifications, and life without them."""

import asyncio
import threading
from pathlib import Path

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.discovery import watch as watching
from exporter.discovery.watch import Watch
from tests.support.listening import PATIENCE


async def change(watch: Watch) -> None:
    async with asyncio.timeout(PATIENCE):
        await watch.changed.wait()
    watch.changed.clear()


def new_watch(log: CapturingLogger | None = None) -> Watch:
    return Watch(structlog.wrap_logger(log or CapturingLogger(), processors=[]))


def look_at(folder: Path) -> None:
    for path in folder.iterdir():
        path.read_text()


def watchers() -> int:
    return sum(thread.name == "watch" for thread in threading.enumerate())


async def until_none_runs() -> None:
    for thread in threading.enumerate():
        if thread.name == "watch":
            await asyncio.to_thread(thread.join, PATIENCE)
    assert watchers() == 0


async def test_a_change_is_told_and_nothing_else(tmp_path: Path) -> None:
    watch = new_watch()
    watch.renew([tmp_path])
    try:
        (tmp_path / "a").write_text("a")
        await change(watch)
        await asyncio.to_thread(look_at, tmp_path)
        await asyncio.sleep(0.3)
        assert not watch.changed.is_set(), "reading is no change"
    finally:
        watch.close()
    await until_none_runs()


async def test_the_same_directories_are_watched_on(tmp_path: Path) -> None:
    watch = new_watch()
    watch.renew([tmp_path])
    watch.renew([tmp_path])
    assert watchers() == 1

    (tmp_path / "sub").mkdir()
    await change(watch)
    watch.renew([tmp_path, tmp_path / "sub"])
    (tmp_path / "sub" / "a").write_text("a")
    await change(watch)
    watch.close()
    await until_none_runs()


async def test_a_directory_that_was_replaced_is_watched_anew(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    watch = new_watch()
    watch.renew([folder])
    folder.rmdir()
    folder.mkdir()  # likely of the same inode
    await change(watch)

    watch.renew([folder])
    (folder / "a").write_text("a")
    await change(watch)
    watch.close()


async def test_where_the_system_cannot_watch_it_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_directories: object) -> None:
        raise OSError("OS file watch limit reached")

    log = CapturingLogger()
    watch = new_watch(log)
    with monkeypatch.context() as patch:
        patch.setattr(watching, "_notify", refuse)
        watch.renew([tmp_path])
        watch.renew([tmp_path])
    assert [call.kwargs["error"] for call in log.calls] == ["OS file watch limit reached"]

    watch.renew([tmp_path, tmp_path / "nowhere"])
    (tmp_path / "a").write_text("a")
    await change(watch)
    watch.close()


async def test_what_is_begun_after_the_end_ends_at_once(tmp_path: Path) -> None:
    watch = new_watch()
    watch.close()
    watch.renew([tmp_path])

    await until_none_runs()


async def test_a_loop_that_is_gone_hurts_nobody(tmp_path: Path) -> None:
    def run() -> Watch:
        async def begin() -> Watch:
            return new_watch()

        return asyncio.run(begin())

    watch = await asyncio.to_thread(run)
    watch.renew([tmp_path])
    (tmp_path / "a").write_text("a")

    await until_none_runs()
