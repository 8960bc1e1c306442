"""A secret from the environment or from a file that may change, and nothing that ever shows it."""

import math
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECRET_LIMIT = 4096
"""Bytes of a secret's file."""


BYTE_ORDER_MARK = "\ufeff"


def stripped(text: str) -> str:
    """The secret in what a file or a variable holds: editors and shells add white space and a byte order mark."""
    return text.strip().strip(BYTE_ORDER_MARK).strip()


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
        secret = stripped(self._environ.get(self._env or "", ""))
        if not secret:
            return _Reading(fault=f"environment variable {self._env} is not set or empty")
        return _Reading(secret)


# ---- what a secret is worth ------------------------------------------------------------------------------------------

SHORTEST = 16
"""Characters, of what is not to be guessed."""

LEAST_BITS = 40.0
"""What the frequencies of its characters may carry in all; random text of sixteen letters carries some sixty."""

_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_PREFIX = re.compile(r"(?:authorization\s*:|bearer\s|basic\s|x-api-key\s*:)", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*(?:\s*=\s*[^\s=]|:\s+\S)")


def weaknesses(secret: str) -> Iterator[str]:
    """What is odd about a secret, as sentences on it. They do not repeat it."""
    if secret[0] in _QUOTES or secret[-1] in _QUOTES:
        yield "stands in quotes, which are taken for a part of it; write it without them"
    if _PREFIX.match(secret):
        yield "begins with a word of the header (Bearer, Authorization:), which is sent anyway; write it without that"
    elif _ASSIGNMENT.match(secret):
        yield "begins with a name (NAME=...), which is taken for a part of it; write the value alone"
    elif not secret.isascii() or not secret.isprintable() or " " in secret:
        yield "has white space or other characters within it that no header may carry; is it one secret, and all of it?"
    if len(secret) < SHORTEST:
        yield f"is shorter than {SHORTEST} characters, so it can be guessed; make another: openssl rand -hex 32"
    elif _bits(secret) < LEAST_BITS:
        yield "repeats a few characters, so it can be guessed; make another: openssl rand -hex 32"


def _bits(secret: str) -> float:
    """How much the frequencies of its characters say: at most what is in it."""
    shares = (count / len(secret) for count in Counter(secret).values())
    return -len(secret) * sum(share * math.log2(share) for share in shares)


# ---- reading ---------------------------------------------------------------------------------------------------------


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
        secret = stripped(raw.decode())
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
