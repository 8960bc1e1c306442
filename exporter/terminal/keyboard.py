"""Keys as they are pressed, one by one and unseen; the terminal is as before once that is over, whatever happens."""

import codecs
import os
import re
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

_INPUT, _LOCAL = 0, 3
"""Where in the attributes of a terminal the flags stand."""


class Key(StrEnum):
    """A key that is no letter."""

    UP = "up"
    DOWN = "down"
    PAGE_UP = "page up"
    PAGE_DOWN = "page down"
    HOME = "home"
    END = "end"
    ENTER = "enter"
    BACKSPACE = "backspace"
    ESCAPE = "escape"


_SEQUENCES = {
    "[A": Key.UP,
    "OA": Key.UP,
    "[B": Key.DOWN,
    "OB": Key.DOWN,
    "[5~": Key.PAGE_UP,
    "[6~": Key.PAGE_DOWN,
    "[H": Key.HOME,
    "OH": Key.HOME,
    "[1~": Key.HOME,
    "[F": Key.END,
    "OF": Key.END,
    "[4~": Key.END,
}
_SINGLE = {"\r": Key.ENTER, "\n": Key.ENTER, "\x7f": Key.BACKSPACE, "\b": Key.BACKSPACE, "\x1b": Key.ESCAPE}

_KEY = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z~]|O[A-Za-z])|.", re.DOTALL)

READ_BYTES = 4096


class Keys:
    """Makes keys of the bytes that a terminal sends. A sequence that is not known is no key at all."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def pressed(self, sent: bytes) -> Iterator[str]:
        """The keys in some bytes: those of the enumeration by their names, all others as their letter."""
        for found in _KEY.finditer(self._decoder.decode(sent)):
            if found[1] is None:
                yield _SINGLE.get(found[0], found[0])
            elif found[1] in _SEQUENCES:
                yield _SEQUENCES[found[1]]


@contextmanager
def keyboard(descriptor: int) -> Iterator[None]:
    """Keys come at once and are not shown; Ctrl-C still interrupts, Ctrl-S is a key like any other."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        attributes = termios.tcgetattr(descriptor)
        attributes[_INPUT] &= ~termios.IXON
        termios.tcsetattr(descriptor, termios.TCSADRAIN, attributes)
        yield
    finally:
        with suppress(termios.error, OSError):  # the terminal may be gone
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


def read_keys(descriptor: int, keys: Keys) -> list[str] | None:
    """What has been pressed since; None where the terminal is gone."""
    try:
        sent = os.read(descriptor, READ_BYTES)
    except BlockingIOError:
        return []
    except OSError:
        return None
    return list(keys.pressed(sent)) if sent else None
