"""What a glob matches, and where to look for changes of that. Everything here blocks.

Unlike the standard library's, it tells a directory that cannot be read from one without files.
"""

import fnmatch
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import has_magic
from itertools import chain, islice
from pathlib import Path

from exporter.discovery.source import DiscoveryError

MAX_FILES = 10_000
"""Paths that the globs of one source may match."""


def matching(patterns: Iterable[str]) -> list[Path]:
    """The paths that one of these absolute globs matches, sorted; DiscoveryError where that cannot be known."""
    with _named_faults():
        every = chain.from_iterable(_expand(Path(pattern)) for pattern in patterns)
        paths = set(islice(every, MAX_FILES + 1))
    if len(paths) > MAX_FILES:
        raise DiscoveryError(f"the globs match more than {MAX_FILES} files, the most that is allowed")
    return sorted(paths)


def directories(patterns: Iterable[str]) -> set[Path]:
    """The directories in which a change may let these globs match other files, or files of another content.

    For one that is not there yet, it is the closest one above it. Raises DiscoveryError where that cannot be known.
    """
    with _named_faults():
        return set(chain.from_iterable(_directories(Path(pattern).parent) for pattern in patterns))


def _expand(pattern: Path) -> Iterator[Path]:
    if not has_magic(str(pattern)):
        yield from (path for path in [pattern] if _is_there(path))
        return
    for folder in _expand(pattern.parent):
        if has_magic(pattern.name):
            yield from (folder / name for name in _visible(_names(folder), pattern.name))
        elif _is_there(folder / pattern.name):
            yield folder / pattern.name


def _directories(folder: Path) -> Iterator[Path]:
    if not has_magic(str(folder)):
        yield from _watchable(folder)
        return
    yield from _directories(folder.parent)
    for path in _expand(folder):
        yield from _watchable(path)


def _watchable(folder: Path) -> Iterator[Path]:
    """The closest directory that is there; and where a link to it stands, since the link may be swapped."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    yield from (there, there.parent) if there.is_symlink() else (there,)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _visible(names: Iterable[str], pattern: str) -> Iterator[str]:
    """As in a shell, a name that begins with a dot is matched by a dot only."""
    return (name for name in fnmatch.filter(names, pattern) if pattern.startswith(".") or not name.startswith("."))


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextmanager
def _named_faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiscoveryError(f"{error.filename}: cannot be looked at: {error.strerror}") from None
