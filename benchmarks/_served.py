"""A whole exporter as ``serve`` runs it, in a directory of its own, and how long its event loop stands still."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import structlog

from exporter.cli.garbage import leave_alone, pauses_bounded
from exporter.cli.turns import short_turns
from exporter.clock import SystemClock
from exporter.metrics.snapshot import BuildView
from exporter.service.dependencies import Dependencies
from exporter.service.exporter import Exporter
from exporter.settings.load import load

TURN = 0.001
"""Seconds between two looks: a loop that never rests would keep the interpreter from the ledger's thread."""

CONFIG = """\
accounts: [{{name: default, base_url: "{url}", api_key_env: KEY}}]
task_groups: [{{name: renders, model: {model}, file_sd_configs: [{{files: [tasks.{form}], max_tasks: 10000000}}]}}]
ledger: {{url: "sqlite:///{directory}/ledger.db"}}
"""

WRITTEN: dict[str, Callable[[list[str]], str]] = {
    "txt": "\n".join,
    "json": lambda ids: json.dumps([{"task_ids": [each]} for each in ids]),
    "yml": lambda ids: "".join(f"- task_ids: [{each}]\n" for each in ids) or "[]",
}


@dataclass(slots=True)
class Stall:
    """The longest stall of a phase, and how long the phase took, in seconds."""

    longest: float = 0.0
    seconds: float = 0.0


class Scene:
    """A configuration and a file of tasks in a directory, of which exporters are started that ask at an address."""

    def __init__(self, directory: str, url: str, form: str = "txt") -> None:
        self._directory = directory
        self._url = url
        self._form = form
        self.config_file = Path(directory, "exporter.yml")
        self.configure("sora-2")

    def configure(self, model: str) -> None:
        """Say which model the tasks have."""
        self.config_file.write_text(
            CONFIG.format(model=model, form=self._form, directory=self._directory, url=self._url)
        )

    def name(self, ids: list[str]) -> None:
        """Let the file name these tasks."""
        new = Path(self._directory, ".new")
        new.write_text(WRITTEN[self._form](ids))
        new.rename(Path(self._directory, f"tasks.{self._form}"))

    def exporter(self) -> Exporter:
        """One that is not started."""
        return Exporter(
            load(self.config_file),
            config_file=self.config_file,
            build=BuildView("0", "0", "3"),
            dependencies=Dependencies(SystemClock(), Random(1), {"KEY": "sk-byts-key"}),
            log=structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[]),
        )


@asynccontextmanager
async def watched(phase: str) -> AsyncIterator[Stall]:
    """Print the longest stall of what happens within, and yield it, to be read afterwards."""
    stall = Stall()
    watching = asyncio.create_task(watch(stall))
    began = time.perf_counter()
    yield stall
    stall.seconds = time.perf_counter() - began
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    print(f"{phase:10} {stall.seconds:8.1f} s  longest stall {stall.longest * 1e3:6.1f} ms", flush=True)


async def watch(stall: Stall) -> None:
    """Note the longest stall, for ever."""
    before, worked = time.perf_counter(), time.process_time()
    while True:
        await asyncio.sleep(TURN)
        now, works = time.perf_counter(), time.process_time()
        stall.longest = max(stall.longest, min(now - before, works - worked))
        before, worked = now, works


async def until(look: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not look():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0.01)


async def start(exporter: Exporter) -> None:
    """Start it, and leave alone what that has made, as ``serve`` does."""
    await exporter.start()
    leave_alone()


@contextmanager
def as_served() -> Iterator[None]:
    """What ``serve`` asks of the interpreter."""
    with pauses_bounded(), short_turns():
        yield
