"""The exporter as it is, with a watch on its event loop: ``python -m benchmarks.soak.watched FILE serve …``.

Each second a line of JSON is added to FILE: ``late``, how late the loop came at most to a look that was due every 5 ms
(seconds), and ``stall``, the most that is left of it without what the threads of this process waited for a core, for
whoever waits so may hold the interpreter, and then the machine stands: so much at least is the program's own.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

LOOK = 0.005
TOLD = 1.0

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
        now = {thread: self._nanoseconds(file) for thread, file in self._files.items()}
        waits = [waited - self._before[thread] for thread, waited in now.items() if thread in self._before]
        self._before = now
        return sum(waits) / 1e9

    def _nanoseconds(self, file: int) -> int:
        try:
            return int(os.pread(file, 80, 0).split()[1])
        except OSError:  # it has just ended
            return 0


class Turns(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float: ...
    def call_soon(self, callback: Callable[[], None], /) -> object: ...
    def call_at(self, when: float, callback: Callable[[], None], /) -> object: ...


class Watch:
    """Looks at one loop from its own turns. ``tell`` is given the longest of each second: stall, late."""

    def __init__(self, loop: Turns, tell: Callable[[float, float], None], *, waits: CoreWaits) -> None:
        self._loop = loop
        self._tell = tell
        self._waits = waits
        self._stall = self._late = 0.0

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
        self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        late = now - self._due
        self._late = max(self._late, late)
        self._stall = max(self._stall, late - self._waits.since_last())
        if now - self._told_at >= TOLD:
            self._tell(self._stall, self._late)
            self._stall = self._late = 0.0
            self._told_at = now
            self._waits.refresh()
        self._next()


class WatchingPolicy(asyncio.DefaultEventLoopPolicy):
    """Every loop is watched."""

    def __init__(self, tell: Callable[[float, float], None]) -> None:
        super().__init__()
        self._tell = tell

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        Watch(loop, self._tell, waits=CoreWaits()).begin()
        return loop


def main() -> None:
    """Run the exporter's own command."""
    from exporter.cli.main import main as command

    file = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def tell(stall: float, late: float) -> None:
        os.write(file, f"{json.dumps({'at': time.time(), 'stall': stall, 'late': late})}\n".encode())

    asyncio.set_event_loop_policy(WatchingPolicy(tell))
    command()


if __name__ == "__main__":
    main()
