"""The exporter as it is, with a watch on its event loop: ``python -m benchmarks.soak.watched FILE serve …``.

Each second a line of JSON is added to FILE: ``late``, how late the loop came at most to a look that was due every 5 ms
(seconds), and ``stall``, the most that is left of it without what the threads of this process waited for a core, for
whoever waits so may hold the interpreter, and then the machine stands: so much at least is the program's own.
``where`` is what the loop was at while it stood longest, innermost call first; empty where it never stood for long.
"""

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Protocol
from unittest.mock import patch

from exporter import lookups

LOOK = 0.005
TOLD = 1.0

LONG = 0.02
"""Seconds after which a loop that stands is looked at from outside."""

CALLS = 6
"""So many calls of its stack are told."""

THREADS = Path("/proc/self/task")


class CoreWaits:
    """For how long the threads of this process have waited for a core; nothing where the kernel does not say."""

    def __init__(self, threads: Path = THREADS) -> None:
        self._threads = threads
        self._files: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def refresh(self) -> None:
        """Threads come and go."""
        there = {thread.name for thread in self._threads.iterdir()} if self._threads.exists() else set()
        for gone in self._files.keys() - there:
            os.close(self._files.pop(gone))
        for new in there - self._files.keys():
            with suppress(OSError):  # it may have ended by now
                self._files[new] = os.open(self._threads / new / "schedstat", os.O_RDONLY)

    def since_last(self) -> float:
        """Seconds that they have waited, together, since the last call."""
        read = {thread: self._nanoseconds(file) for thread, file in self._files.items()}
        now = {thread: waited for thread, waited in read.items() if waited is not None}
        waits = [waited - self._before[thread] for thread, waited in now.items() if thread in self._before]
        self._before = now
        return sum(waits) / 1e9

    def _nanoseconds(self, file: int) -> int | None:
        """None of a thread that has ended: what it had waited by then is no less waiting of the others."""
        try:
            return int(os.pread(file, 80, 0).split()[1])
        except (OSError, IndexError):
            return None


class Turns(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float: ...
    def call_soon(self, callback: Callable[[], None], /) -> object: ...
    def call_at(self, when: float, callback: Callable[[], None], /) -> object: ...


class Witness:
    """Sees from a thread of its own what a loop is at that comes too late.

    While garbage is collected no thread sees anything: the collector tells of that itself.
    """

    def __init__(self, frames: Callable[[], Mapping[int, FrameType]] = sys._current_frames) -> None:  # noqa: SLF001
        self._frames = frames
        self._main = threading.get_ident()
        self._due = float("inf")
        self._seen = self._collected = ""
        self._began = 0.0

    def begin(self) -> None:
        """Look on, for ever."""
        gc.callbacks.append(self.collecting)
        threading.Thread(target=self._run, name="witness", daemon=True).start()

    def expect(self, due: float) -> None:
        """The loop is to come round at this time (``time.monotonic``); what was seen before is of no interest."""
        self._due, self._seen, self._collected = due, "", ""

    def look(self, now: float) -> None:
        """See what the loop is at, where it is long past its time."""
        if now - self._due >= LONG and not self._seen and (frame := self._frames().get(self._main)) is not None:
            self._seen = _stack(frame)

    def collecting(self, phase: str, info: Mapping[str, int]) -> None:
        """What the collector of garbage calls before and after."""
        if phase == "start":
            self._began = time.perf_counter()
        elif (seconds := time.perf_counter() - self._began) >= LONG:
            self._collected = f"collection of generation {info['generation']}, {seconds * 1e3:.0f} ms"

    @property
    def where(self) -> str:
        """What was seen since ``expect``."""
        return self._collected or self._seen

    def _run(self) -> None:
        while True:
            time.sleep(LONG / 4)
            self.look(time.monotonic())


def _stack(frame: FrameType | None) -> str:
    calls: list[str] = []
    while frame is not None and len(calls) < CALLS:
        code = frame.f_code
        calls.append(f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_qualname}")
        frame = frame.f_back
    return " < ".join(calls)


class Watch:
    """Looks at one loop from its own turns. ``tell`` is given the longest of each second: stall, late, and where."""

    def __init__(
        self, loop: Turns, tell: Callable[[float, float, str], None], *, waits: CoreWaits, witness: Witness
    ) -> None:
        self._loop = loop
        self._tell = tell
        self._waits = waits
        self._witness = witness
        self._forget()

    def _forget(self) -> None:
        self._stall = self._late = 0.0
        self._where = ""

    def begin(self) -> None:
        """Watch from the loop's first turn on."""
        self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._told_at = self._loop.time()
        self._waits.refresh()
        self._waits.since_last()
        self._next()

    def _next(self) -> None:
        self._due = self._loop.time() + LOOK
        self._witness.expect(self._due)
        self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        late = now - self._due
        self._late = max(self._late, late)
        stall = late - self._waits.since_last()
        if stall > self._stall:
            self._stall, self._where = stall, self._witness.where
        if now - self._told_at >= TOLD:
            self._tell(self._stall, self._late, self._where)
            self._forget()
            self._told_at = now
            self._waits.refresh()
        self._next()


class WatchedLoop(lookups.Loop):
    """The exporter's own loop, watched."""

    def __init__(self, tell: Callable[[float, float, str], None]) -> None:
        super().__init__()
        witness = Witness()
        witness.begin()
        Watch(self, tell, waits=CoreWaits(), witness=witness).begin()


def main() -> None:
    """Run the exporter's own command."""
    from exporter.cli.main import main as command

    file = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def tell(stall: float, late: float, where: str) -> None:
        told = {"at": time.time(), "stall": stall, "late": late, "where": where}
        os.write(file, f"{json.dumps(told)}\n".encode())

    with patch.object(lookups, "Loop", lambda: WatchedLoop(tell)):
        command()


if __name__ == "__main__":
    main()
