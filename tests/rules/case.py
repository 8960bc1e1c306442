"""What is expected of one alert: when it fires, what it stays quiet about, when it clears."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.rules.series import Series


@dataclass(frozen=True, slots=True)
class Fires:
    """It fires at this minute, not one before, with these labels (severity aside) and this description.

    The description is read at the minute ``read``, where that is another one: within a window that is still filling,
    versions of Prometheus differ in what they make of it.
    """

    at: int
    series: Series
    labels: Mapping[str, str]
    description: str
    read: int = 0


@dataclass(frozen=True, slots=True)
class Quiet:
    """It stays quiet all these minutes."""

    why: str
    minutes: int
    series: Series


@dataclass(frozen=True, slots=True)
class Clears:
    """It still fires at one minute, and at the other it does no more."""

    firing: int
    over: int
    series: Series


@dataclass(frozen=True, slots=True)
class Case:
    """The three of one alert; there may be several reasons to stay quiet, and ``also`` several to fire."""

    alert: str
    fires: Fires
    quiet: tuple[Quiet, ...]
    clears: Clears
    also: tuple[Fires, ...] = ()
