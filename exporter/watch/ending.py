"""Asked to stop, by whatever signal, ``watch`` ends well: the terminal is put back first."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

STOP_SECONDS = 5
"""How long that may take. A terminal or pipe that takes nothing more would be waited for without end."""


@contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Within the block signals set ``stop``, but for those that this process was told to ignore."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(STOP_SECONDS)
        stop.set()

    heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
        signal.alarm(0)
