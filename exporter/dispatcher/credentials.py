"""An API key from the environment or from a file that may change, and nothing that ever shows it."""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

KEY_LIMIT = 4096
"""Bytes of a key file."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the last look found: a key, or the fault that stands in its way; and which version of the file it was."""

    key: str | None = field(default=None, repr=False)
    fault: str | None = None
    version: tuple[int, ...] | None = None


class ApiKey:
    """One account's key, read at once and again by ``refresh``. ``env`` or ``file`` names where it lives.

    ``hide`` is told every key that is read, before it is used. Reading a file blocks: off the event loop, please.
    ``refresh`` may run in a thread, since it replaces one attribute.
    """

    def __init__(
        self,
        *,
        env: str | None = None,
        file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        hide: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._env = env
        self._file = file
        self._environ = os.environ if environ is None else environ
        self._hide = hide
        self._reading = self._read()

    def reveal(self) -> str | None:
        """The key itself, or None where there is none."""
        return self._reading.key

    @property
    def fault(self) -> str | None:
        """Why there is no key, fit for the user's eyes; None while there is one."""
        return self._reading.fault

    def refresh(self) -> bool:
        """Read the file again if it has changed; say whether the key has."""
        if self._file is None:
            return False
        version = _version(self._file)
        if version is not None and version == self._reading.version:
            return False
        before, self._reading = self._reading, self._read()
        return before.key != self._reading.key

    def __repr__(self) -> str:
        return "ApiKey(***)"

    def _read(self) -> _Reading:
        reading = self._look()
        if reading.key is not None:
            self._hide(reading.key)
        return reading

    def _look(self) -> _Reading:
        if self._file is not None:
            return _from_file(self._file)
        key = self._environ.get(self._env or "", "").strip()
        if not key:
            return _Reading(fault=f"environment variable {self._env} is not set or empty")
        return _Reading(key)


def _from_file(path: Path) -> _Reading:
    # the version is taken first: a file that changes in between is read once more, never missed
    version = _version(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return _Reading(fault=f"{path}: not a regular file", version=version)
        with path.open("rb") as file:
            raw = file.read(KEY_LIMIT + 1)
    except OSError as error:
        return _Reading(fault=f"{path}: {error.strerror}", version=version)
    return _from_bytes(raw, path, version)


def _from_bytes(raw: bytes, path: Path, version: tuple[int, ...] | None) -> _Reading:
    if len(raw) > KEY_LIMIT:
        return _Reading(fault=f"{path}: longer than {KEY_LIMIT} bytes", version=version)
    try:
        key = raw.decode().strip()
    except UnicodeDecodeError:
        return _Reading(fault=f"{path}: not text", version=version)
    if not key:
        return _Reading(fault=f"{path}: empty", version=version)
    return _Reading(key, version=version)


def _version(path: Path) -> tuple[int, ...] | None:
    """What changes when the file does: written in place, replaced, or behind a symbolic link that was swapped."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
