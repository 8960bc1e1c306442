"""What is expected of one alert: when it fires, what it stays quiet about, when it clears."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.rules.series import Series


@dataclass(frozen=True, slots=True)
class Fires:
    """It fires at this minute, not one before, with these labels (severity aside) and this description."""

    at: int
    series: Series
    labels: Mapping[str, str]
    description: str


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
    """The three of one alert; there may be several reasons to stay quiet."""

    alert: str
    fires: Fires
    quiet: tuple[Quiet, ...]
    clears: Clears
