"""``file_sd_configs``: tasks named in files, which are watched, and read again now and then as the backstop.

Each file is read by itself, and a bad one holds as it was last good.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path

from exporter.discovery.globs import directories, matching
from exporter.discovery.items import Items
from exporter.discovery.lists import ListParser
from exporter.discovery.source import (
    DiscoveryError,
    Listener,
    Mechanism,
    Reading,
    Refreshes,
    SourceDependencies,
    let_go,
    source_name,
)
from exporter.discovery.watch import Watch
from exporter.discovery.written import MAX_IDS, Format
from exporter.settings.errors import ConfigError, in_short
from exporter.settings.model import FileSdSettings


def file_sources(entries: Iterable[FileSdSettings], parser: ListParser) -> Iterator["FileSource"]:
    """The sources of a group's ``file_sd_configs``."""
    return (
        FileSource(
            tuple(sorted({*entry.files})),
            entry.refresh_interval,
            replace(parser, max_tasks=entry.max_tasks, max_bytes=entry.max_bytes),
        )
        for entry in entries
    )


@dataclass(frozen=True, slots=True)
class FileSource:
    """One entry of ``file_sd_configs``: absolute globs, sorted, and seconds."""

    globs: tuple[str, ...]
    refresh_interval: float
    parser: ListParser

    @property
    def group(self) -> str:
        return self.parser.group

    @property
    def mechanism(self) -> Mechanism:
        return Mechanism.FILE

    @property
    def name(self) -> str:
        # a comma in a glob is written as one that matches the same, since others part the globs
        return source_name(self.group, self.mechanism, ",".join(glob.replace(",", "[,]") for glob in self.globs))

    async def run(self, listener: Listener, dependencies: SourceDependencies) -> None:
        """Report what the files name, for ever."""
        refreshes, watch = Refreshes(listener, dependencies.threads), Watch(dependencies.log)
        files = Files(self.globs, self.parser)
        read = partial(self._read, files, watch)
        try:
            while True:
                watch.changed.clear()
                await refreshes.report(dependencies.threads.run(read))
                await dependencies.clock.wait(watch.changed, self.refresh_interval)
        finally:
            watch.close()
            let_go(files.held)

    def _read(self, files: "Files", watch: Watch) -> Reading:
        # watched first, so that no change falls in between
        watch.renew(directories(self.globs))
        return files.read()


@dataclass(frozen=True, slots=True)
class _File:
    """What holds of one file: what it named when it was last good, and what is wrong with it since."""

    items: Items = field(default_factory=Items)
    fault: str | None = None
    digest: bytes = b""


class Files:
    """The files that some absolute globs match. Everything here blocks."""

    def __init__(self, globs: tuple[str, ...], parser: ListParser) -> None:
        self._globs = globs
        self._parser = parser
        self._files: dict[Path, _File] = {}
        self._items = Items()

    @property
    def held(self) -> tuple[Items, ...]:
        """Every list there is: of each file, and of all of them."""
        return (self._items, *(file.items for file in self._files.values()))

    def read(self) -> Reading:
        """Read them all, and parse those with another content than last time.

        Raises DiscoveryError where it is not known what there is, or where there is too much.
        """
        self._replace(dict(self._look_at_all()))
        items = Items.joined(file.items for file in self._files.values())
        if items != self._items:
            self._items = items
        return Reading(self._items, tuple(file.fault for file in self._files.values() if file.fault))

    def _replace(self, files: dict[Path, _File]) -> None:
        """Let these hold; the lists that are in none of them any more are freed."""
        kept = {id(file.items) for file in files.values()}
        over = [file.items for file in self._files.values() if id(file.items) not in kept]
        self._files = files
        for items in over:
            items.let_go()

    def _look_at_all(self) -> Iterator[tuple[Path, _File]]:
        count, most = 0, MAX_IDS if self._parser.max_tasks is None else self._parser.max_tasks
        for path in matching(self._globs):
            file = self._look_at(path)
            if file is None:
                continue
            count += len(file.items)
            if count > most:  # before the next is read: thousands of large files may match
                raise DiscoveryError(f"the files name more than {most} tasks, the most that is allowed")
            yield path, file

    def _look_at(self, path: Path) -> _File | None:
        """What holds of a file now; None where there is none."""
        before = self._files.get(path, _File())
        try:
            content = _content(path, self._parser.longest)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not os.path.lexists(path):
                return None
            return _File(before.items, f"{path}: cannot be read: {error.strerror}")
        return None if content is None else self._parsed(path, content, before)

    def _parsed(self, path: Path, content: bytes, before: _File) -> _File:
        digest = blake2b(content).digest()
        if digest == before.digest:
            return before
        try:
            return _File(self._parser.parse(content, Format.of(path), name=str(path)), digest=digest)
        except ConfigError as error:
            return _File(before.items, in_short(error), digest)


def _content(path: Path, most: int) -> bytes | None:
    """The bytes of a file, one more than allowed at most; None of a directory."""
    # without O_NONBLOCK a FIFO would be waited for
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            return None
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(most + 1)
    finally:
        os.close(descriptor)
