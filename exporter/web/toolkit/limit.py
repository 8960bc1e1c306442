"""``rate_limit``: a bucket of tokens, as Go's ``golang.org/x/time/rate``."""

import math
from collections.abc import Callable


class RateLimit:
    """``burst`` requests at once, and one more every ``interval`` seconds; time is that of ``now``."""

    def __init__(self, *, interval: float, burst: int, now: Callable[[], float]) -> None:
        self._rate = 1 / interval if interval > 0 else math.inf
        self._burst = burst
        self._now = now
        self._tokens = float(burst)
        self._at = now()

    def allows(self) -> bool:
        """Whether one more request may come now."""
        if self._rate == math.inf:
            return True
        now = self._now()
        tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        if self._burst < 1 or tokens < 1:
            return False
        self._tokens, self._at = tokens - 1, now
        return True
