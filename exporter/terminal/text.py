"""Text from elsewhere, made fit for a terminal: no name paints the screen, moves the cursor or turns a line round."""

import unicodedata
from collections.abc import Iterator

MARKS = 2
"""So many accents on one letter are written; more would cover the lines above."""

_SELECTORS = ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef")
"""Variation selectors: terminals do not agree on how wide what they follow is."""


def harmless(text: str) -> str:
    """The text on one line, whatever would not be seen as itself escaped: ``\\x1b``, ``\\n``, ``\\u202e``."""
    return text if text.isascii() and text.isprintable() else "".join(_written(text))


def _written(text: str) -> Iterator[str]:
    marks = 0
    for each in text:
        marks = marks + 1 if unicodedata.category(each) in ("Mn", "Me") else 0
        is_shown = each.isprintable() and marks <= MARKS and not any(low <= each <= high for low, high in _SELECTORS)
        yield each if is_shown else ascii(each)[1:-1]
