"""Keys from the bytes that terminals send; and the terminal afterwards, in a real pseudo-terminal."""

import os
import pty
import termios
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from exporter.terminal.keyboard import Key, Keys, keyboard, read_keys


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal: what a person has, and what a program has."""
    outer, inner = pty.openpty()
    yield outer, inner
    for end in (outer, inner):
        try:
            os.close(end)
        except OSError:
            continue


@pytest.mark.parametrize(
    ("sent", "pressed"),
    [
        (b"q", ["q"]),
        (b"sj/", ["s", "j", "/"]),
        (b"\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[4~", [Key.UP, Key.DOWN, Key.PAGE_UP, Key.PAGE_DOWN, Key.HOME, Key.END]),
        (b"\r\x7f\x1b", [Key.ENTER, Key.BACKSPACE, Key.ESCAPE]),
        ("é日".encode(), ["é", "日"]),
        (b"\x1b[200;3~", []),
        (b"\xff\xfe", []),
    ],
)
def test_keys(sent: bytes, pressed: list[str]) -> None:
    assert list(Keys().pressed(sent)) == pressed


def test_a_letter_may_come_in_two_parts() -> None:
    keys, sent = Keys(), "日".encode()
    assert [*keys.pressed(sent[:1]), *keys.pressed(sent[1:])] == ["日"]


def test_keys_come_at_once_and_unseen_and_the_terminal_is_as_before_then(terminal: tuple[int, int]) -> None:
    outer, inner = terminal
    before = termios.tcgetattr(inner)
    with keyboard(inner):
        os.write(outer, b"x")
        assert read_keys(inner, Keys()) == ["x"]
        assert not termios.tcgetattr(inner)[3] & (termios.ECHO | termios.ICANON)
        assert termios.tcgetattr(inner)[3] & termios.ISIG, "Ctrl-C still interrupts"
    assert termios.tcgetattr(inner) == before
    with suppress(ZeroDivisionError), keyboard(inner):
        _ = 1 / 0
    assert termios.tcgetattr(inner) == before


def test_a_terminal_that_is_gone_is_no_key(terminal: tuple[int, int]) -> None:
    outer, inner = terminal
    os.close(outer)
    assert read_keys(inner, Keys()) is None


def test_leaving_a_terminal_that_is_gone_is_no_error(terminal: tuple[int, int]) -> None:
    outer, inner = terminal
    with keyboard(inner), closing(os.fdopen(outer, "rb")):
        pass
