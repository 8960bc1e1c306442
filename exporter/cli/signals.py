"""What the operator asks for by signals."""

import asyncio
import os
import signal

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """SIGTERM and SIGINT set ``stop``; a second one ends the process at once. SIGHUP sets ``reload``.

    ``deadline`` is the whole number of seconds that stopping may take: what hangs longer is ended by the kernel.
    """

    def __init__(self, *, deadline: int) -> None:
        self.stop = asyncio.Event()
        self.reload = asyncio.Event()
        self._deadline = deadline

    def install(self) -> None:
        """Handle signals from now on. Must run within the event loop."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._asked_to_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self.reload.set)

    def _asked_to_stop(self, number: signal.Signals) -> None:
        if self.stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(self._deadline)
        self.stop.set()
