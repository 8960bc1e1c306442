"""The operating system's notifications about directories, as an event of the loop."""

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from structlog.typing import FilteringBoundLogger
from watchfiles._rust_notify import RustNotify

SETTLE = 100
"""Milliseconds without a change, after which what was being written is taken to be whole."""

LONGEST = 1000
"""Milliseconds after which changes are told though more come."""

_Identity = tuple[int, int]


class Watch:
    """Sets ``changed`` when something happens in the directories. Where the system cannot watch, it never does."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.changed = asyncio.Event()
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._watched: dict[Path, _Identity] = {}
        self._stop = threading.Event()
        self._is_closed = False
        self._is_failing = False

    def renew(self, directories: Iterable[Path]) -> None:
        """Watch these directories from here on. It blocks, and may run in a thread.

        One that was replaced by another of its name is watched anew.
        """
        wanted = {path: identity for path in directories if (identity := _identity(path))}
        if wanted == self._watched:
            return
        self._stop.set()
        self._watched = {}
        try:
            notify = _notify(wanted)
        except (OSError, RuntimeError) as error:
            self._fail(error)
        else:
            self._is_failing = False
            self._watched = wanted
            self._start(notify)

    def close(self) -> None:
        """Watch no more; ``renew`` may still be under way."""
        self._is_closed = True
        self._stop.set()

    def _start(self, notify: RustNotify) -> None:
        self._stop = stop = threading.Event()
        threading.Thread(target=self._run, args=(notify, stop), name="watch", daemon=True).start()
        if self._is_closed:
            stop.set()

    def _run(self, notify: RustNotify, stop: threading.Event) -> None:
        with notify, suppress(RuntimeError):  # the loop may be closed by now
            while not stop.is_set():
                changes = notify.watch(LONGEST, SETTLE, 0, stop)
                if isinstance(changes, set):
                    self._note({Path(path) for _, path in changes})

    def _note(self, changed: set[Path]) -> None:
        if not self._watched.keys().isdisjoint(changed):
            self._watched = {}  # a directory of the same name, even of the same inode, may be another one
        self._loop.call_soon_threadsafe(self.changed.set)

    def _fail(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            self._log.warning("watch_unavailable", error=str(error), effect="changes show at the next refresh only")


def _notify(directories: Iterable[Path]) -> RustNotify:
    return RustNotify(
        watch_paths=sorted(map(str, directories)),
        debug=False,
        force_polling=False,
        poll_delay_ms=0,
        recursive=False,
        ignore_permission_denied=False,
    )


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
