"""Real processes of this program: started, listened to and stopped by their own ids."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

Found = TypeVar("Found")

PROJECT = Path(__file__).resolve().parents[2]

START_SECONDS = 60.0
STOP_SECONDS = 15.0
"""Ten are promised; the others are for a busy machine."""

LOOK_SECONDS = 0.02


class Running:
    """A process whose output goes into one file. Leaving its ``with`` block kills it, if it still runs."""

    def __init__(
        self,
        *arguments: str,
        log: Path,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = ("exporter",),
    ) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=log.parent,
                # the tree under test, whether it is installed or not; without a buffer the log is there at once
                env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1", **(env or {})},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        """Everything it has said so far."""
        return self._log.read_text()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Its JSON log lines so far, or those of one event."""
        lines = [json.loads(line) for line in self.output.splitlines(keepends=True) if _is_whole_json(line)]
        return [line for line in lines if name in (None, line.get("event"))]

    def wait_for_event(self, name: str, *, count: int = 1, seconds: float = START_SECONDS) -> dict[str, Any]:
        """The log line of the first such event, or of the ``count``-th."""
        return self._wait(lambda: self.events(name)[count - 1 : count], f"event {name!r} number {count}", seconds)

    def wait_for_text(self, text: str, *, seconds: float = START_SECONDS) -> str:
        """The rest of the line behind a text that it prints."""
        return self._wait(lambda: _behind(text, self.output), repr(text), seconds)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, *, seconds: float = START_SECONDS) -> int:
        """Its exit code, once it has ended by itself, be it from the start (negative: the signal that ended it)."""
        return self.process.wait(seconds)

    def stop(self, *, seconds: float = STOP_SECONDS) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
        return self.wait(seconds=seconds)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _wait(self, look: Callable[[], Sequence[Found]], what: str, seconds: float) -> Found:
        deadline = time.monotonic() + seconds
        while True:
            has_ended = self.process.poll() is not None  # looked at first: what it said last must still be found
            found = look()
            if found:
                return found[0]
            if has_ended or time.monotonic() > deadline:
                raise AssertionError(f"no {what} from {self.process.args!r}; it said:\n{self.output}")
            time.sleep(LOOK_SECONDS)


class RunningExporter(Running):
    """``serve``, answering at ``url``."""

    url: str


class RunningSimulator(Running):
    """``simulate``, answering at ``url``."""

    url: str


def start_exporter(
    config: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    address: str = "127.0.0.1:0",
    log: str = "serve.log",
) -> RunningExporter:
    """``serve`` with a configuration file, once it answers; its log lies beside the file."""
    exporter = launch_exporter(config, *arguments, env=env, address=address, log=log)
    try:
        exporter.url = f"http://{exporter.wait_for_event('listening')['address']}"
    except BaseException:
        exporter.kill()
        raise
    return exporter


def launch_exporter(
    config: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    address: str = "127.0.0.1:0",
    log: str = "serve.log",
) -> RunningExporter:
    """``serve`` without waiting for it, for those that do not come to serving."""
    flags = ("--config.file", str(config), "--web.listen-address", address, "--log.format", "json")
    return RunningExporter("serve", *flags, *arguments, log=config.parent / log, env=env)


def start_simulator(directory: Path, *arguments: str) -> RunningSimulator:
    """``simulate``, once it answers; its log lies in the directory."""
    simulator = RunningSimulator("simulate", "--listen", "127.0.0.1:0", *arguments, log=directory / "simulate.log")
    try:
        simulator.url = simulator.wait_for_text("simulator on ").strip()
    except BaseException:
        simulator.kill()
        raise
    return simulator


def _is_whole_json(line: str) -> bool:
    return line.startswith("{") and line.endswith("}\n")


def _behind(text: str, output: str) -> list[str]:
    """The rest of each whole line that has the text."""
    return [
        line.partition(text)[2] for line in output.splitlines(keepends=True) if text in line and line.endswith("\n")
    ]
