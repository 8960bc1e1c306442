"""Money: whole cents inside and a JSON number of dollars outside, so that every sum is exact.

What an account owns, and what a key may spend: a lifetime quota and rolling spend windows.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.simulator.accounts import Account, Key
from exporter.simulator.errors import ApiError

Cents = int

HOUR = 3600.0
DAY = 24 * HOUR


def cents(usd: float) -> Cents:
    """Dollars as cents, rounded."""
    return round(usd * 100)


def usd(amount: Cents) -> float:
    """Cents as the dollars that JSON shows."""
    return amount / 100


def fixed(amount: Cents) -> str:
    """Cents as the headers write them: two decimals."""
    return f"{amount / 100:.2f}"


class SpendWindow:
    """What was spent within the last ``seconds``, against a cap."""

    def __init__(self, name: str, seconds: float, cap: Cents) -> None:
        self.name = name
        self.cap = cap
        self._seconds = seconds
        self._spends: deque[tuple[float, Cents]] = deque()
        self._spent = 0

    def add(self, now: float, amount: Cents) -> None:
        self._spends.append((now, amount))
        self._spent += amount

    def remaining(self, now: float) -> Cents:
        """What may still be spent, 0 at least."""
        while self._spends and self._spends[0][0] + self._seconds <= now:
            self._spent -= self._spends.popleft()[1]
        return max(0, self.cap - self._spent)

    def resets_at(self, now: float) -> int:
        """Unix seconds at which the oldest spend leaves the window (which instant *reset* means is invented)."""
        return math.ceil((self._spends[0][0] if self._spends else now) + self._seconds)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tightest window at one instant, as the ``X-RateLimit-*`` headers show it."""

    name: str
    cap: Cents
    remaining: Cents
    resets_at: int


class KeySpending:
    """What one key has spent, against its caps."""

    def __init__(self, key: Key) -> None:
        self._quota = cents(key.quota)
        self._spent = 0
        self._held = 0
        caps = {"5h": (5 * HOUR, key.rate_limit_5h), "1d": (DAY, key.rate_limit_1d), "7d": (7 * DAY, key.rate_limit_7d)}
        self._windows = [
            SpendWindow(f"rate_limit_{name}", seconds, cents(cap)) for name, (seconds, cap) in caps.items() if cap
        ]

    @property
    def quota_remaining(self) -> Cents | None:
        """What is left of the lifetime quota, holds not subtracted (invented); None where it is unlimited."""
        return max(0, self._quota - self._spent) if self._quota else None

    def check_quota(self, amount: Cents) -> None:
        """Raise ApiError 402 where the lifetime quota does not cover the amount."""
        if self._quota and self._spent + self._held + amount > self._quota:
            raise ApiError.payment(
                "quota_exceeded", f"The key's lifetime quota of {fixed(self._quota)} USD is used up."
            )

    def hold(self, amount: Cents) -> None:
        """Put the worst case aside."""
        self._held += amount

    def settle(self, now: float, *, held: Cents, spent: Cents) -> None:
        """Let go of what was held and book what it came to."""
        self._held -= held
        self._spent += spent
        if spent:
            for window in self._windows:
                window.add(now, spent)

    def tightest(self, now: float) -> Bucket | None:
        """The window with the least left, the shortest of equals; None where no cap is set."""
        return min(self._buckets(now), key=lambda bucket: bucket.remaining, default=None)

    def check_windows(self, now: float) -> None:
        """Raise ApiError 429 where a window is used up. That free calls are refused too is invented."""
        bucket = self.tightest(now)
        if bucket is None or bucket.remaining:
            return
        used = f"{fixed(bucket.cap)} / {fixed(bucket.cap)} used"
        at = datetime.fromtimestamp(bucket.resets_at, UTC)
        raise ApiError.spend(f"{bucket.name} exceeded: {used}; resets at {at:%Y-%m-%d %H:%M:%S} UTC")

    def _buckets(self, now: float) -> Iterator[Bucket]:
        for window in self._windows:
            yield Bucket(window.name, window.cap, window.remaining(now), window.resets_at(now))


class Wallet:
    """What one account owns. ``available`` is net of holds."""

    def __init__(self, account: Account) -> None:
        self.topped_up = cents(account.balance)
        self.spent = 0
        self.held = 0

    @property
    def available(self) -> Cents:
        return self.balance - self.held

    @property
    def balance(self) -> Cents:
        return self.topped_up - self.spent

    def check(self, amount: Cents) -> None:
        """Raise ApiError 402 where the balance does not cover the amount."""
        if amount > self.available:
            raise ApiError.payment("insufficient_balance", "The balance does not cover the estimate.")

    def hold(self, amount: Cents) -> None:
        """Put the worst case aside."""
        self.held += amount

    def settle(self, *, held: Cents, spent: Cents) -> None:
        """Let go of what was held and pay what it came to."""
        self.held -= held
        self.spent += spent
