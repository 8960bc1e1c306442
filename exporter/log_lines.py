"""Lines of the log are written by a thread of their own: whoever reads them may stop, and nobody waits for that."""

import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler

LINES = 4000
"""So many wait to be written; what comes beyond them is dropped."""

FLUSH_SECONDS = 2.0
"""How long the end of the process waits for them to be written."""


class BackgroundHandler(QueueHandler):
    """Writes what is logged to a file descriptor (standard error), from a thread.

    The descriptor is written to directly: a buffered stream has a lock, and Python's own end would wait for whoever
    holds it. Formatting belongs to the thread as well, so a line costs the event loop little. Any thread may log.
    """

    def __init__(self, descriptor: int = 2, *, limit: int = LINES) -> None:
        self._lines: queue.Queue[logging.LogRecord] = queue.Queue(limit)
        super().__init__(self._lines)
        self._descriptor = descriptor
        self._encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        self._counting = threading.Lock()
        self._dropped = 0
        threading.Thread(target=self._write_all, name="log", daemon=True).start()

    def take_dropped(self) -> int:
        """How many lines have been dropped since the last time."""
        with self._counting:
            taken, self._dropped = self._dropped, 0
        return taken

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """As it is: it stays within the process."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Hand it to the thread, unless too many wait there."""
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self._drop()

    def flush(self) -> None:
        """Wait until everything is written, for a little while."""
        lines = self._lines
        with lines.all_tasks_done:
            lines.all_tasks_done.wait_for(lambda: not lines.unfinished_tasks, FLUSH_SECONDS)

    @contextmanager
    def flushed(self) -> Iterator[None]:
        """What is logged meanwhile is written once this is left, however it is left."""
        try:
            yield
        finally:
            self.flush()

    # ---- the thread --------------------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        while True:
            record = self._lines.get()
            try:
                self._write(f"{self.format(record)}\n".encode(self._encoding, "backslashreplace"))
            except Exception:  # noqa: BLE001 - as every handler has it
                self.handleError(record)
            finally:
                self._lines.task_done()

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:  # whoever shares it has made it so that nobody waits
                select.select([], [self._descriptor], [])
            except OSError:  # nobody reads it any more
                self._drop()
                return

    def _drop(self) -> None:
        with self._counting:
            self._dropped += 1
