"""Text from outside, made fit for a label value."""

MAX_LENGTH = 256
"""The longest value, in characters, of a label whose values come from outside."""


def printable(value: str) -> str:
    """The value without what UTF-8 cannot carry (lone surrogates, which JSON can): one would cost the entire page."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
