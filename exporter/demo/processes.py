"""The demo's processes, the output of each in a file, and the ports that they are given."""

import asyncio
import os
import re
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from exporter.errors import ExporterError

STARTED_SECONDS = 30.0
STOPPED_SECONDS = 11.0
"""A second more than the exporter allows itself."""

UNASKED = range(30_000, 32_768)
"""Ports below those that the kernel gives to whoever asks for any: no connection takes one before its program does."""

TAIL_LINES = 20
LOOK_SECONDS = 0.05
LOOKED_AT = 1 << 16

DIE_WITH_PARENT = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: it outlives exec
if os.getppid() == int(parent):  # else it has died before
    os.execvp(command[0], command)
"""
"""A program that becomes the command, which is then asked to end when the parent dies, however it dies."""


class ChildError(ExporterError):
    """A process of the demo ended, or did not begin; the text holds the end of its log."""


class Child:
    """One process; ``start`` makes one. It is stopped by its own process id."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, *command: str, log: Path) -> "Child":
        """Run a command; the terminal's Ctrl-C does not reach it, so that the demo stops its children in order.

        On Linux it ends with this process, too, where that is killed.
        """
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *_dying_with_us(command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return cls(name, process, log)

    async def says(self, pattern: str) -> str:
        """Wait until the log shows a pattern and return its group; raises ChildError."""
        try:
            async with asyncio.timeout(STARTED_SECONDS):
                while (found := re.search(pattern, self._head())) is None:
                    if self._process.returncode is not None:
                        raise self._ended()
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise ChildError(f"the {self.name} does not start.{self._tail()}") from None
        return found[1]

    async def ends(self) -> None:
        """Wait until it ends by itself, and raise ChildError then."""
        await self._process.wait()
        raise self._ended()

    async def stop(self) -> None:
        """Ask it to end, and make it end where it does not."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOPPED_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _ended(self) -> ChildError:
        return ChildError(f"the {self.name} ended (exit code {self._process.returncode}).{self._tail()}")

    def _head(self) -> str:
        with self._log.open(errors="replace") as file:
            return file.read(LOOKED_AT)

    def _tail(self) -> str:
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - LOOKED_AT))
            lines = file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join([" The end of its log:", *lines]) if lines else ""


def ourselves(*arguments: str) -> tuple[str, ...]:
    """The command line that runs a command of this program."""
    return (sys.executable, "-m", "exporter", *arguments)


def _dying_with_us(command: tuple[str, ...]) -> tuple[str, ...]:
    if not sys.platform.startswith("linux"):
        return command
    return (sys.executable, "-IS", "-c", DIE_WITH_PARENT, str(os.getpid()), *command)


def free_or_any(port: int) -> int:
    """The port where nothing listens on it, else 0: any free one."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return 0
    return port


def free(ports: Sequence[int]) -> list[int]:
    """Of each port itself, where nothing listens on it, else another: for programs that do not tell which they took."""
    others = iter(Random().sample(UNASKED, len(UNASKED)))
    return [port if port and free_or_any(port) else next(filter(free_or_any, others)) for port in ports]
