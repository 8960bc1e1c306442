"""What the operator asks for by signals."""

import asyncio
import os
import signal
import threading
from contextlib import suppress
from types import FrameType

from exporter.cli.entry import STOP_SIGNALS, end_by

FIRST_OF_ALL = 1
"""The process id of a container's first process. It is ended by no signal that it does not handle."""


class Signals:
    """SIGTERM and SIGINT set ``stop``; a second one ends the process at once. SIGHUP sets ``reload``.

    ``deadline`` is the whole number of seconds that stopping may take: what hangs longer is ended by the kernel.
    """

    def __init__(self, *, deadline: int) -> None:
        self.stop = asyncio.Event()
        self.reload = asyncio.Event()
        self._deadline = deadline
        self._ends_at: float | None = None

    def install(self) -> None:
        """Handle signals from now on, the SIGHUP that has come before included. Must run within the event loop."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._asked_to_stop, number)

        def asked_to_reload(_number: int, _frame: FrameType | None) -> None:
            with suppress(RuntimeError):  # the loop has ended, and the process is about to
                loop.call_soon_threadsafe(self.reload.set)

        # not by the loop: at its end it would put back what ends the process with another code
        signal.signal(signal.SIGHUP, asked_to_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    @property
    def left(self) -> float:
        """Seconds that stopping may still take; where nobody has asked for it, all of them."""
        return self._deadline if self._ends_at is None else self._ends_at - asyncio.get_running_loop().time()

    def _asked_to_stop(self, number: signal.Signals) -> None:
        if self.stop.is_set():
            end_by(number)
        self._ends_at = asyncio.get_running_loop().time() + self._deadline
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(self._deadline)
        if os.getpid() == FIRST_OF_ALL:
            end = threading.Timer(self._deadline, os._exit, [128 + signal.SIGALRM])
            end.daemon = True
            end.start()
        self.stop.set()
