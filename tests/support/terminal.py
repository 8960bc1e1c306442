"""A real pseudo-terminal with this program in it, and a screen that can be read."""

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from typing import Self

import pyte

from tests.support.processes import PROJECT

SECONDS = 60.0
"""A machine may be ten times slower than one expects."""

LOOK_SECONDS = 0.05

AS_A_SHELL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
if (child := os.fork()) == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-m", "exporter", *sys.argv[1:]])
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)
"""
"""The command is in the foreground, below somebody who could make it go on: else Ctrl-Z does nothing. What ends it is
not ignored, even where the tests run in the background of a shell."""

LEFT_SCREEN = b"\x1b[?1049l"
SHOWN_CURSOR = b"\x1b[?25h"


class Terminal:
    """A terminal in which a command of this program runs. Leaving the ``with`` block kills it, if it still runs."""

    def __init__(
        self, *arguments: str, columns: int = 80, lines: int = 24, env: Mapping[str, str] | None = None
    ) -> None:
        self.sent = bytearray()
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        outer, inner = pty.openpty()
        self._outer = outer
        self._size(columns, lines)
        self.before = termios.tcgetattr(inner)
        self._inner = inner
        environ = {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color", **(env or {})}
        self._process = subprocess.Popen(
            [sys.executable, "-c", AS_A_SHELL, *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=environ,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.send(signal.SIGKILL)
            self._process.kill()
        self._process.wait()
        os.close(self._outer)
        os.close(self._inner)

    @property
    def shown(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def attributes(self) -> list[object]:
        """How the terminal is set now."""
        return list(termios.tcgetattr(self._inner))

    def press(self, keys: str) -> None:
        """Send what a person would type."""
        os.write(self._outer, codecs.encode(keys))

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command."""
        os.killpg(os.tcgetpgrp(self._outer), number)

    def resize(self, columns: int, lines: int) -> None:
        """Another size, as when a window is pulled."""
        self._screen.resize(lines, columns)
        self._size(columns, lines)

    def until(self, is_so: Callable[[str], object], *, seconds: float = SECONDS) -> str:
        """The screen, once something is so of it."""
        deadline = time.monotonic() + seconds
        while not is_so(self.shown):
            assert time.monotonic() < deadline, f"not so after {seconds} s; the screen is:\n{self.shown}"
            self._take(LOOK_SECONDS)
        return self.shown

    def wait(self, *, seconds: float = SECONDS) -> int:
        """The exit code once it has ended; 256 less the number of the signal that ended it."""
        deadline = time.monotonic() + seconds
        while (code := self._process.poll()) is None:
            assert time.monotonic() < deadline, f"it has not ended; the screen is:\n{self.shown}"
            self._take(LOOK_SECONDS)
        self._take(0.0)
        return code

    def _take(self, seconds: float) -> None:
        """Take what it has written."""
        while select.select([self._outer], [], [], seconds)[0]:
            written = os.read(self._outer, 1 << 16)
            self.sent += written
            self._stream.feed(written)
            seconds = 0.0

    def _size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._outer, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
