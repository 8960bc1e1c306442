"""A replica's way to the database: a proxy that loses answers and is slow when it is told to."""

from pathlib import Path
from random import Random

from tests.support.swallowing_proxy import SwallowingProxy

SWALLOWED = 0.5
SLOWEST = 0.4
"""Seconds a question; a transaction has a dozen."""


class Way:
    """``loses`` and ``is_slow`` may be changed at any time; ``lost`` counts the answers of COMMIT."""

    def __init__(self, socket: Path, random: Random) -> None:
        self._random = random
        self._proxy = SwallowingProxy(socket, swallows=self._swallows, delay=self._delay)
        self.loses = self.is_slow = False
        self.pace = 0.0

    @property
    def port(self) -> int:
        return self._proxy.port

    @property
    def lost(self) -> int:
        return self._proxy.swallowed

    def close(self) -> None:
        self._proxy.close()

    def _swallows(self) -> bool:
        return self.loses and self._random.random() < SWALLOWED

    def _delay(self) -> float:
        return self._random.uniform(0.0, SLOWEST) if self.is_slow else self.pace
