"""One replica as whoever runs it has it: started again whenever it ends, stopped and killed by the faults."""

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import RunningExporter, launch_exporter

NO_LEDGER = 3
"""What it ends with at its start where the database does not answer: it is to be tried again."""

AGAIN_SECONDS = 0.5
STOP_SECONDS = 60.0


@dataclass(slots=True)
class Pause:
    """The process stood still; ``end`` is infinite until it goes on."""

    begin: float
    end: float = float("inf")


class Process:
    """A replica's process, one after the other, always at the same address."""

    def __init__(self, config: Path, *, name: str, address: str, flags: Sequence[str], env: Mapping[str, str]) -> None:
        self.name = name
        self._address = address
        self._config = config
        self._flags = flags
        self._env = env
        self._starts = 0
        self._running: RunningExporter | None = None
        self._is_wanted = False
        self._start_at = 0.0
        self.pauses: list[Pause] = []
        self.faults: list[str] = []

    def close(self) -> None:
        if self._running is not None:
            self._running.kill()

    @property
    def is_up(self) -> bool:
        """Whether there is a process that is not stopped."""
        return self._running is not None and self._running.process.poll() is None and not self._is_paused

    @property
    def is_ending(self) -> bool:
        """Whether there is a process that was asked to end, and has not."""
        return not self._is_wanted and self._running is not None and self._running.process.poll() is None

    def start(self) -> None:
        """Have it run from now on."""
        self._is_wanted, self._start_at = True, 0.0
        self.look()

    def look(self) -> None:
        """Start it again where it has ended by itself; note an end that is none of those that may be."""
        now = time.monotonic()
        code = None if self._running is None else self._running.process.poll()
        if self._running is not None and code is not None:
            if self._is_wanted and code != NO_LEDGER:
                self.faults.append(f"{self.name} ended with {code}: {self._running.output[-2000:]}")
            self._note_trouble()
            self._running, self._start_at = None, now + AGAIN_SECONDS
        if self._is_wanted and self._running is None and now >= self._start_at:
            self._starts += 1
            self._running = launch_exporter(
                self._config, *self._flags, address=self._address, env=self._env, log=f"serve-{self._starts}.log"
            )

    # ---- what is done to it ------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """As a crash does; it is not started again before ``start``."""
        self._is_wanted = False
        if self._running is not None:
            self._running.kill()
            self._note_trouble()
        self._running = None

    def term(self) -> None:
        """Ask it to end; it is not started again before ``start``."""
        self._is_wanted = False
        if self._running is not None and self._running.process.poll() is None:
            self._running.send(signal.SIGTERM)

    def ended(self) -> int | None:
        """Wait for the end that was asked for; the exit code, None where there was no process."""
        if self._running is None:
            return None
        code = self._running.wait(seconds=STOP_SECONDS)
        self._note_trouble()
        self._running = None
        return code

    def pause(self) -> None:
        """Let it stand still."""
        if self.is_up and self._running is not None:
            self.pauses.append(Pause(time.monotonic()))
            self._running.send(signal.SIGSTOP)

    def go_on(self) -> None:
        if self._is_paused and self._running is not None:
            self.pauses[-1].end = time.monotonic()
            self._running.send(signal.SIGCONT)

    @property
    def _is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1].end == float("inf")

    def _note_trouble(self) -> None:
        if self._running is not None:
            lines = self._running.output.splitlines()
            self.faults += [f"{self.name}: {line}" for line in lines if "Traceback" in line or "loop_died" in line]
