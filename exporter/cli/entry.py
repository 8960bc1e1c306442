"""What runs first, before anything that takes long to import: from here on signals mean what they shall mean.

Python lets SIGTERM end a process; the first process of a container (PID 1) is not ended by it, and so it would be lost
while the rest is imported. SIGHUP would end it, though it asks for no more than to read the configuration again.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # to import it from typing takes as long as all else here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn

SERVE = "serve"

LASTING = {SERVE, "simulate", "demo", "demo-receiver", "watch"}
"""These commands end well when they are asked to stop; the others have then not done what they were to do."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

STANDARD_DESCRIPTORS = (0, 1, 2)

CRASHED = 70
"""As ``ExitCode.CRASHED``, which is not imported yet."""


def main() -> None:
    """The console script."""
    open_standard_descriptors()
    follow_signals(command_of(sys.argv[1:]))
    try:
        from exporter.cli.main import main as run
    except Exception:  # noqa: BLE001 - it is shown whole, and does not end as a faulty configuration does
        sys.excepthook(*sys.exc_info())
        sys.exit(CRASHED)
    run()


def command_of(arguments: Sequence[str]) -> str:
    """The command that is meant; flags alone belong to serve."""
    return arguments[0] if arguments and not arguments[0].startswith("-") else SERVE


def follow_signals(command: str) -> None:
    """End at once when asked to, until the command has handlers of its own; what is ignored stays so.

    A SIGHUP to serve waits until it can be followed: see ``Signals``. The kernel keeps it.
    """
    handler = _end_well if command in LASTING else _end_by
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_BLOCK if command == SERVE else signal.SIG_UNBLOCK, {signal.SIGHUP})
    # whoever starts this may have had them wait, so that none is lost before Python runs: the image does
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def end_by(number: int) -> NoReturn:
    """End at once, as the signal ends what does not handle it; PID 1, to which it does nothing, with the same code."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def open_standard_descriptors() -> None:
    """Where one is closed, what is opened first would take its place: errors would be written into the ledger."""
    for descriptor in STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - it takes no keyword


def _end_well(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)  # nothing is open yet; an exception could be lost within whatever is imported just now


def _end_by(number: int, _frame: FrameType | None) -> None:
    end_by(number)
