"""What a colour means, and where a value starts to matter: the same on every dashboard."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

GOOD, NOTICE, BAD = "green", "orange", "red"
PLAIN, IDLE = "text", "#8e8e8e"

OPEN_STATES: Mapping[str, str] = {
    "pending": "super-light-orange",
    "running": "blue",
    "unobserved": "#c4c4c4",
    "unknown": "yellow",
}
ENDS: Mapping[str, str] = {"completed": "green", "failed": "red", "cancelled": "#7a7a7a", "not_found": "purple"}
"""A status has the same colour wherever it is drawn. Grey: nothing is known, or nothing is to be done. Yellow: an
answer that was not understood."""

REASONS: Mapping[str, str] = {
    "timeout": "orange",
    "connect": "dark-orange",
    "tls": "super-light-orange",
    "network": "#9c5221",
    "truncated": "light-orange",
    "server": "red",
    "bad_response": "dark-red",
    "too_large": "#7a1420",
    "redirect": "light-red",
    "bad_route": "super-light-red",
    "invalid_api_key": "dark-purple",
    "payment": "purple",
    "forbidden": "super-light-purple",
    "rate_limited": "yellow",
    "concurrency": "super-light-yellow",
    "bad_request": "blue",
    "internal": "super-light-blue",
}
"""Orange: there is no way to the API. Red: it answers nonsense. Purple: it refuses the key. Yellow: it is asked too
much. Blue: the mistake is ours."""

HELD: Mapping[str, tuple[str, str]] = {
    "no way to the API": ("timeout|connect|tls|network|truncated", "orange"),
    "unusable answers": ("server|bad_response|too_large|redirect|bad_route", "red"),
    "key refused": ("invalid_api_key|payment|forbidden", "purple"),
    "asked too much": ("rate_limited|concurrency", "yellow"),
    "fault of the exporter": ("bad_request|internal", "blue"),
}
"""The same families for the reasons why an account is held back: each with its reasons and its colour."""

OF_ACCOUNTS: Mapping[str, str] = {
    "idle": IDLE,
    "answered": GOOD,
    "not answered": "#7a1420",
    **{name: colour for name, (_, colour) in HELD.items()},
}
"""The states of an account, in the order in which the timeline numbers them, from 1: the worst counts."""

SEVERITIES: Mapping[str, str] = {"critical": BAD, "warning": NOTICE}

CODES: Mapping[str, str] = {"content_policy_violation": "purple", "other": IDLE}
"""The one error code that the API documents, and what is beyond the bound; others come as they come."""

SPREAD: Mapping[str, str] = {"p50": "green", "p90": "yellow", "p99": "orange"}


def plain() -> ThresholdsConfig:
    """A number that is neither good nor bad."""
    return _steps((None, PLAIN))


def worse_above(notice: float, bad: float) -> ThresholdsConfig:
    """Good below the first bound, bad from the second on."""
    return _steps((None, GOOD), (notice, NOTICE), (bad, BAD))


def notice_above(notice: float) -> ThresholdsConfig:
    """Good below the bound, worth a look from it on, and never a reason to get up."""
    return _steps((None, GOOD), (notice, NOTICE))


def worse_below(notice: float, bad: float) -> ThresholdsConfig:
    """Good from the first bound on, bad below the second."""
    return _steps((None, BAD), (bad, NOTICE), (notice, GOOD))


def bad_above(bad: float) -> ThresholdsConfig:
    """Good below the bound, bad from it on."""
    return _steps((None, GOOD), (bad, BAD))


def bad_below(bad: float) -> ThresholdsConfig:
    """Bad below the bound, good from it on."""
    return _steps((None, BAD), (bad, GOOD))


def line_at(value: float, colour: str = BAD) -> ThresholdsConfig:
    """For a time series: nothing but a line at the value."""
    return _steps((None, "transparent"), (value, colour))


def words(texts: Mapping[str, tuple[str, str]]) -> ValueMapping:
    """Values that are shown as a word in a colour."""
    results = {value: ValueMappingResult(text=text, color=colour) for value, (text, colour) in texts.items()}
    return ValueMap(options=results)


UP_OR_DOWN = words({"2": ("IDLE", IDLE), "1": ("UP", GOOD), "0": ("DOWN", BAD)})


def nothing_is(text: str, colour: str) -> ValueMapping:
    """What stands where there is no number; else its colour would be that of the lowest."""
    result = ValueMappingResult(text=text, color=colour)
    match = SpecialValueMatch.NULL_AND_NAN
    return SpecialValueMap(options=DashboardSpecialValueMapOptions(match=match, result=result))


def _steps(*steps: tuple[float | None, str]) -> ThresholdsConfig:
    listed = [Threshold(value=value, color=colour) for value, colour in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(listed)
