"""What looks like a secret, though nobody has told us that it is one: a key that was pasted into the wrong place.

Two judgements. What is *certainly* a key, by the form that ByteSpike documents, is refused wherever it stands. What
*may* be one is left out of messages: these name the place, and that is enough to find it.
"""

import re

MASK = "***"

_OUR_KEY = re.compile(r"sk-byts-[A-Za-z0-9_-]{8,}")
"""ByteSpike's own keys begin so; no task, label or file is called so by accident."""

_MAY_BE_SECRET = re.compile(
    r"""
      (?<![A-Za-z0-9]) sk-[A-Za-z0-9_-]{8,}     # keys of ByteSpike and of many others
    | (?i:\b(?:bearer|basic)\s+) [^\s"']{16,}   # a header
    | \beyJ[A-Za-z0-9_-]{10,}[A-Za-z0-9_.-]*    # a JSON web token
    | [A-Za-z0-9+]{16,}={0,2}                   # a long run, if it looks random
    """,
    re.VERBOSE,
)
_ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)

DISTINCT = 8
"""Random text has at least so many different characters in sixteen, dates and counters have fewer."""


def is_key(text: str) -> bool:
    """Whether a ByteSpike API key stands in a text, for all that can be told from its form."""
    return _OUR_KEY.search(text) is not None


def masked(text: str) -> str:
    """The text without whatever in it may be a secret."""
    return _MAY_BE_SECRET.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    found = match[0]
    is_plain_run = found.rstrip("=").replace("+", "").isalnum() and not found.startswith("eyJ")
    return found if is_plain_run and not _looks_random(found) else MASK


def _looks_random(run: str) -> bool:
    """Letters and digits mixed, of many kinds; the ids that the API gives look so too, and are none."""
    has_both = any(mark.isdigit() for mark in run) and any(mark.isalpha() for mark in run)
    return has_both and len(set(run)) >= DISTINCT and not _ULID.fullmatch(run)
