"""What a soak does: how many polls, of tasks that live how long, with which faults in turn. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

SECONDS, RATE = 3600.0, 500.0

LISTED_AFTER = 1.0
"""Seconds from a task's submission to the first poll, about."""

ANSWERED_AFTER = 0.05
"""Seconds from a poll to its answer, about: so much more than an interval lies between two polls of a task."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A scenario of the simulator."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return ",".join([self.name, *(f"{key}={value}" for key, value in self.params.items())])


FAULTS = (
    Fault("outage", {"status": 503}),
    Fault("rate_limit_storm", {"code": "concurrency_limit", "ratio": 0.3}),
    Fault("slow_answers", {"seconds": 30, "ratio": 0.02}),
    Fault("garbage", {"kind": "truncated", "ratio": 0.1}),
    Fault("schema_change", {"kind": "extra_field"}),
    Fault("outage", {"status": 500, "ratio": 0.2}),
    Fault("rate_limit_storm", {"code": "spend", "retry_after": 1}),
    Fault("garbage", {"kind": "mixed", "ratio": 0.05}),
    Fault("schema_change", {"kind": "unknown_status", "ratio": 0.2}),
    Fault("key_revoked"),
    Fault("slow_answers", {"seconds": 0.2}),
)
"""None of them makes a terminal answer unreadable: what was billed in such a one nobody could know."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``rate`` is polls a second of all accounts together, ``in_flight`` what each may have at once; ``seconds`` is
    without the drain at the end.

    Every task is asked about once an ``interval``; it lives from half a ``life`` to one and a half.
    """

    seconds: float = SECONDS
    rate: float = RATE
    accounts: int = 2
    in_flight: int = 16

    @property
    def life(self) -> float:
        return _between(2.0, self.seconds / 60, 30.0)

    @property
    def interval(self) -> float:
        return _between(0.5, self.life / 15, 2.0)

    @property
    def retention(self) -> float:
        """How long the exporter keeps a task that has ended: well below a tenth of the run, so that memory levels."""
        return _between(1.0, self.seconds / 60, 60.0)

    @property
    def lingering(self) -> float:
        """How long a task is still listed when all of its batch have been seen to end."""
        return _between(1.0, self.seconds / 60, 15.0)

    @property
    def turn(self) -> float:
        """From one fault to the next."""
        return _between(6.0, self.seconds / 12, 30.0)

    @property
    def fault_seconds(self) -> float:
        """An account may be held back for a while after it."""
        return self.turn / 4

    @property
    def sampled_every(self) -> float:
        """At least six times a turn, so that most samples have no fault in them."""
        return _between(1.0, self.seconds / 240, self.turn / 6)

    @property
    def drain_seconds(self) -> float:
        """How long the last tasks may take to be counted; an account may just have been held back."""
        return 90.0 + 2 * self.life

    @property
    def arrivals(self) -> float:
        """Tasks a second of one account, which keep as many open as its share of the polls is about."""
        return self.rate / self.accounts * (self.interval + ANSWERED_AFTER) / (self.life - LISTED_AFTER)

    @property
    def allowed(self) -> float:
        """Polls a second that an account may make: a little more than it needs, to catch up after a fault."""
        return 1.1 * self.rate / self.accounts

    def faults(self) -> Iterator[tuple[float, int, Fault]]:
        """When, in which account, which: one after the other, so that each account meets each, until the drain."""
        for number in count():
            at = (number + 0.5) * self.turn
            if at + self.fault_seconds > self.seconds:
                return
            # the second round begins with the other account, for the number of faults is odd
            yield at, number % self.accounts, FAULTS[number % len(FAULTS)]


def _between(least: float, value: float, most: float) -> float:
    return max(least, min(value, most))
