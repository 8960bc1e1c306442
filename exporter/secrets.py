"""A secret from the environment or from a file that may change, and nothing that ever shows it."""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECRET_LIMIT = 4096
"""Bytes of a secret's file."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the last look found: a secret, or the fault that stands in its way; and which version of the file it was."""

    secret: str | None = field(default=None, repr=False)
    fault: str | None = None
    version: tuple[int, ...] | None = None


class SecretSource:
    """Where one secret lives, a variable (``env``) or a ``file``; read at once, and again by ``refresh``.

    ``hide`` is told every secret that is read, before it is used. Making one and ``refresh`` block where there is a
    file: they belong in a thread, which ``refresh`` allows for, since it replaces one attribute.
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
        """The secret itself, or None where there is none."""
        return self._reading.secret

    @property
    def fault(self) -> str | None:
        """Why there is no secret, fit for the user's eyes; None while there is one."""
        return self._reading.fault

    def refresh(self) -> bool:
        """Read the file again if it has changed; say whether the secret has."""
        if self._file is None:
            return False
        version = version_of(self._file)
        if version is not None and version == self._reading.version:
            return False
        before, self._reading = self._reading, self._read()
        return before.secret != self._reading.secret

    def __repr__(self) -> str:
        return "SecretSource(***)"

    def _read(self) -> _Reading:
        reading = self._look()
        if reading.secret is not None:
            self._hide(reading.secret)
        return reading

    def _look(self) -> _Reading:
        if self._file is not None:
            return _from_file(self._file)
        secret = self._environ.get(self._env or "", "").strip()
        if not secret:
            return _Reading(fault=f"environment variable {self._env} is not set or empty")
        return _Reading(secret)


def _from_file(path: Path) -> _Reading:
    # the version is taken first: a file that changes in between is read once more, never missed
    version = version_of(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return _Reading(fault=f"{path}: not a regular file", version=version)
        with path.open("rb") as file:
            raw = file.read(SECRET_LIMIT + 1)
    except OSError as error:
        return _Reading(fault=f"{path}: {error.strerror}", version=version)
    return _from_bytes(raw, path, version)


def _from_bytes(raw: bytes, path: Path, version: tuple[int, ...] | None) -> _Reading:
    if len(raw) > SECRET_LIMIT:
        return _Reading(fault=f"{path}: longer than {SECRET_LIMIT} bytes", version=version)
    try:
        secret = raw.decode().strip()
    except UnicodeDecodeError:
        return _Reading(fault=f"{path}: not text", version=version)
    if not secret:
        return _Reading(fault=f"{path}: empty", version=version)
    return _Reading(secret, version=version)


def version_of(path: Path) -> tuple[int, ...] | None:
    """What changes when the file does: written in place, replaced, or behind a symbolic link that was swapped."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
