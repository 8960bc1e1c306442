"""How pages say things: states, times, amounts."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Mood(StrEnum):
    """How good a state is; the style sheet has a colour and a sign for each."""

    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"
    BUSY = "busy"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class State:
    """A state in words and its mood."""

    words: str
    mood: Mood


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, absolute and as an age."""

    utc: str
    age: str


def moment(at: float | None, now: float) -> Moment | None:
    """A time that is not known is None."""
    return None if at is None else moment_at(at, now)


def moment_at(at: float, now: float) -> Moment:
    """A time as it is said on a page."""
    return Moment(as_utc(at), as_age(now - at))


def as_utc(at: float) -> str:
    """Unix seconds as a date and time of day; sources may say times that the calendar does not reach."""
    try:
        return _as_utc(at)
    except (ValueError, OverflowError, OSError):
        return "beyond the calendar"


def _as_utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def as_age(seconds: float) -> str:
    """Seconds in the two largest units that matter: ``4 s``, ``3 min 20 s``, ``2 d 5 h``."""
    minutes, s = divmod(max(0, int(seconds)), 60)
    hours, m = divmod(minutes, 60)
    d, h = divmod(hours, 24)
    if d:
        return f"{d} d {h} h"
    if h:
        return f"{h} h {m} min"
    return f"{m} min {s} s" if m else f"{s} s"


def as_number(number: float) -> str:
    """As many digits as a person reads: ``1,240``, ``12.4``, ``0.05``."""
    digits = 0 if number >= 100 else 1 if number >= 10 else 2
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_share(part: float, whole: float) -> str:
    """Per cent, rounded down: whatever is not all is not 100 %."""
    return f"{as_number(math.floor(part / whole * 1000) / 10)} %"


def seconds_in_words(seconds: float) -> str:
    """A duration: ``1.4 s``, ``3 min 20 s``."""
    return f"{as_number(seconds)} s" if seconds < 60 else as_age(seconds)


def about(seconds: float) -> str:
    """A span in whole minutes, for what is not exact to the second: ``30 s``, ``3 min``, ``1 h``."""
    if seconds < 60:
        return as_age(seconds)
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number)
