"""A file that a command is to check, or ``-``: what stands on standard input."""

import os
import sys
from pathlib import Path

from exporter.settings.errors import ConfigError, Fault
from exporter.settings.load import load, parse
from exporter.settings.model import Settings
from exporter.settings.reader import MAX_BYTES, decode

STANDARD_INPUT = Path("-")
NAME = "standard input"


def name_of(file: Path) -> str:
    """As it is called in messages."""
    return NAME if file == STANDARD_INPUT else str(file)


def load_input(file: Path) -> Settings:
    """The settings of the file; relative paths on standard input start at the working directory. Raises ConfigError."""
    if file != STANDARD_INPUT:
        return load(file)
    return parse(decode(standard_input(limit=MAX_BYTES + 1), file=NAME), file=NAME, base=Path(), environ=os.environ)


def standard_input(*, limit: int) -> bytes:
    """What stands there, up to so many bytes; nothing where it is closed. Raises ConfigError."""
    try:
        return sys.stdin.buffer.read(limit) if sys.stdin is not None else b""
    except OSError as error:
        raise ConfigError([Fault(NAME, 0, "", f"cannot be read: {error.strerror}")]) from None
