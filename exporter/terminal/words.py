"""How statuses, spans of time and credits are written for people."""

from collections.abc import Mapping

from exporter.settings.durations import to_text
from exporter.tasks.observation import Status

STYLES: Mapping[str, str] = {
    Status.COMPLETED: "green",
    Status.RUNNING: "cyan",
    Status.PENDING: "blue",
    Status.FAILED: "bold red",
    Status.NOT_FOUND: "bold magenta",
    Status.UNKNOWN: "bold yellow",
    Status.CANCELLED: "yellow",
    Status.UNOBSERVED: "dim",
}


def style_of(status: str) -> str:
    """How a status looks; one that a newer exporter may have invented looks like one that is not understood."""
    return STYLES.get(status, STYLES[Status.UNKNOWN])


def span(seconds: float) -> str:
    """A span of time in its two largest units: ``8s``, ``1m20s``, ``3h5m``, ``2d4h``."""
    seconds = max(0.0, seconds)
    grain = 1 if seconds < 3600 else 60 if seconds < 86_400 else 3600
    return to_text(seconds // grain * grain) if seconds >= grain else "0s"


def credits_text(amount: float | None) -> str:
    """Credits as the API gives them; empty where there are none to tell of."""
    return "" if amount is None else f"{amount:.12g}" if abs(amount) < 1 else f"{amount:,.2f}"


def billed_or_expected(used: float | None, estimated: float | None, *, is_open: bool) -> str:
    """What a task was billed or, while it is open, its estimate, marked as one: ``~1.50``."""
    if used is not None:
        return credits_text(used)
    return f"~{credits_text(estimated)}" if is_open and estimated is not None else ""
