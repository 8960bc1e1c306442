"""Durations as Prometheus writes them: ``500ms``, ``2s``, ``5m``, ``1h30m``, ``1d``, ``1w``, ``0``."""

import re

UNITS = {"y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds of each unit, the longest first: the order in which they may follow one another."""

PATTERN = "^(0|(?=[0-9])" + "".join(f"([0-9]{{1,9}}{unit})?" for unit in UNITS) + ")$"
"""What a duration looks like, as a regular expression that JSON Schema understands too."""


def parse(text: str) -> float:
    """Seconds of a duration; ValueError where the text is none."""
    match = re.fullmatch(PATTERN.removesuffix("$"), text)
    if match is None:
        raise ValueError(f"{_shown(text)} is not a duration; write one such as 500ms, 2s, 5m, 1h30m or 1d")
    parts = zip(UNITS.items(), match.groups()[1:], strict=True)
    return sum(int(part.removesuffix(unit)) * size for (unit, size), part in parts if part) / 1000


def to_text(seconds: float) -> str:
    """The shortest way to write that many seconds (to the millisecond) that ``parse`` reads back."""
    left = round(seconds * 1000)
    parts = []
    for unit, size in UNITS.items():
        count, rest = divmod(left, size)
        # 1d is how people write a day, but 365d, not 1y: a year has no fixed length. Weeks only where they are whole.
        if unit == "y" or (unit == "w" and rest) or not count:
            continue
        parts.append(f"{count}{unit}")
        left = rest
    return "".join(parts) or "0"


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= 30 and text.isprintable() else "this"
