"""Standard output and error: they take any text, in whatever locale, and may be gone."""

import codecs
import os
import sys
from io import TextIOWrapper

ANYTHING = "bytespike.anything"
"""The name of the error handler."""


class OutputError(Exception):
    """Standard output cannot be written to. It is no OSError: whoever expects one of these means something else."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause.strerror)
        self.reader_is_gone = isinstance(cause, BrokenPipeError)


class Output(TextIOWrapper):
    """Standard output that says so where it fails."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise OutputError(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise OutputError(error) from error


def take_anything() -> None:
    """From now on nothing that is printed is a traceback instead.

    Where the locale is ASCII, UTF-8 is written, as Python itself does unless it is told not to.
    """
    codecs.register_error(ANYTHING, as_written)
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(encoding=_encoding(sys.stderr), errors=ANYTHING)
    if isinstance(given := sys.stdout, TextIOWrapper):
        sys.stdout = Output(
            given.buffer,
            encoding=_encoding(given),
            errors=ANYTHING,
            line_buffering=given.line_buffering,
            write_through=given.write_through,
        )


def as_written(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler: bytes of the command line that are no text as they were, all else as ``\\uXXXX``."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def settle() -> None:
    """Give up what cannot be written: the interpreter would try it once more, and end with a code of its own."""
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, OutputError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _encoding(stream: TextIOWrapper) -> str:
    return "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
