"""Files of items: each read by itself, a bad one as it was last good. Everything here blocks."""

import errno
import os
import stat
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from exporter.discovery.errors import DiscoveryError
from exporter.discovery.globs import matching
from exporter.discovery.parse import MAX_IDS, Defaults, count_ids, parse_list
from exporter.discovery.rounds import Found
from exporter.discovery.written import Format
from exporter.settings.errors import ConfigError, in_short
from exporter.settings.model import TargetSettings
from exporter.settings.reader import MAX_BYTES


@dataclass(frozen=True, slots=True)
class _File:
    """What holds of one file: what it named when it was last good, and what is wrong with it since."""

    targets: tuple[TargetSettings, ...] = ()
    fault: str | None = None
    digest: bytes = b""


class Files:
    """The files that some absolute globs match."""

    def __init__(self, patterns: tuple[str, ...], defaults: Defaults) -> None:
        self._patterns = patterns
        self._defaults = defaults
        self._files: dict[Path, _File] = {}

    def read(self) -> Found:
        """Read them all, and parse those with another content than last time.

        Raises DiscoveryError where it is not known what there is, or where there is too much.
        """
        looked = ((path, self._look(path)) for path in matching(self._patterns))
        self._files = {path: file for path, file in looked if file is not None}
        targets = tuple(target for file in self._files.values() for target in file.targets)
        if count_ids(targets) > MAX_IDS:
            raise DiscoveryError(f"the files name more than {MAX_IDS} tasks, the most that is allowed")
        return Found(targets, tuple(file.fault for file in self._files.values() if file.fault))

    def _look(self, path: Path) -> _File | None:
        """What holds of a file now; None where there is none."""
        before = self._files.get(path, _File())
        try:
            content = _content(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not os.path.lexists(path):
                return None
            return _File(before.targets, f"{path}: cannot be read: {error.strerror}")
        return None if content is None else self._parsed(path, content, before)

    def _parsed(self, path: Path, content: bytes, before: _File) -> _File:
        digest = blake2b(content).digest()
        if digest == before.digest:
            return before
        try:
            return _File(parse_list(content, Format.of(path), name=str(path), defaults=self._defaults), digest=digest)
        except ConfigError as error:
            return _File(before.targets, in_short(error), digest)


def _content(path: Path) -> bytes | None:
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
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
