"""Durations in Prometheus' notation, and expressions that use them as numbers too.

Expressions here are PromQL in which a duration may stand for its seconds: ``time() - x > 5m``. Prometheus understands
that since 2.54 only, so it is printed as ``> 300``. Since every duration is seen as one, a ``speed`` divides them all.
"""

import re

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PRINTED = ("d", "h", "m", "s", "ms")

_DURATION = re.compile(r"(\[|offset )?(?<![\w.:])(\d+)(ms|[smhdw])\b")


def seconds(text: str) -> float:
    """The seconds of one duration, such as ``5m``; raises ValueError."""
    found = re.fullmatch(r"(\d+)(ms|[smhdw])", text)
    if found is None:
        raise ValueError(f"not a duration: {text!r}")
    return int(found[1]) * _UNITS[found[2]]


def duration(length: float) -> str:
    """So many seconds, to the millisecond, in the largest unit that says them exactly."""
    milliseconds = max(1, round(length * 1000))
    unit = next(unit for unit in _PRINTED if milliseconds % round(_UNITS[unit] * 1000) == 0)
    return f"{milliseconds // round(_UNITS[unit] * 1000)}{unit}"


def faster(text: str, speed: float) -> str:
    """One duration, divided."""
    return duration(seconds(text) / speed)


def printed(expression: str, *, speed: float = 1) -> str:
    """The expression for every Prometheus from 2.42 on, with each duration divided by ``speed``."""

    def one(found: re.Match[str]) -> str:
        place, length = found[1], seconds(found[2] + found[3]) / speed
        return f"{place}{duration(length)}" if place else f"{length:.10g}"

    return _DURATION.sub(one, expression)
