"""How long the event loop is kept from coming round, counted in steps and not in seconds."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import exporter

_OURS = str(Path(exporter.__file__).parent)
_TURN = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined] # nothing public tells of a turn


class Turns:
    """The most steps between two turns of the event loop: calls of the exporter's code, and of built-ins from it."""

    def __init__(self) -> None:
        self.longest = 0
        self._steps = 0

    def note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is _TURN:
            self._steps = 0
        elif event in ("call", "c_call") and frame.f_code.co_filename.startswith((_OURS, "<string>")):
            self._steps += 1
            self.longest = max(self.longest, self._steps)


@contextmanager
def steps_counted() -> Iterator[Turns]:
    """Count the steps of this thread, which is the event loop's."""
    turns = Turns()
    sys.setprofile(turns.note)
    try:
        yield turns
    finally:
        sys.setprofile(None)
