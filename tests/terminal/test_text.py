"""Whatever a name holds, a terminal is told to do nothing by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.terminal.text import MARKS, harmless


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("my-render 42", "my-render 42"),
        ("日本語 Ünï", "日本語 Ünï"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u200db", r"a\u200db"),
        ("\u2764\ufe0f", "\u2764" + r"\ufe0f"),
        ("\ud800", r"\ud800"),
        ("a" + "\u0301" * 4, "a" + "\u0301" * MARKS + r"\u0301\u0301"),
        ("[red]x[/red]", "[red]x[/red]"),
    ],
)
def test_what_would_not_be_seen_as_itself_is_escaped(text: str, written: str) -> None:
    assert harmless(text) == written


@given(st.text())
def test_nothing_but_what_can_be_printed_comes_out(text: str) -> None:
    assert harmless(text).isprintable()


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text
