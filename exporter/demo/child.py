"""A process of the demo, its output in a file."""

import asyncio
import re
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

from exporter.errors import ExporterError

STARTED_SECONDS = 30.0
STOPPED_SECONDS = 11.0
"""A second more than the exporter allows itself."""

TAIL_LINES = 20
LOOK_SECONDS = 0.05
LOOKED_AT = 1 << 16


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
        """Run a command; the terminal's Ctrl-C does not reach it, so that the demo stops its children in order."""
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
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
