"""Times as people read them."""

from datetime import UTC, datetime


def as_utc(at: float) -> str:
    """Unix seconds as a date and time of day."""
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
