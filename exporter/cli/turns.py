"""How long one thread may keep the interpreter from the others."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 0.001
"""Seconds. With Python's own 5 ms the event loop would wait so long at each of its turns while a list is read or a
batch is written, for each of these threads."""


@contextmanager
def short_turns() -> Iterator[None]:
    """Let threads give way to one another sooner than they usually do."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(LONGEST)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
