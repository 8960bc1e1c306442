"""For how long which failure holds an account back (pure; times in seconds)."""

from enum import IntEnum
from random import Random

from exporter.dispatcher.errors import DispatcherError, Reason

RETRY_AFTER_LIMIT = 3600.0
"""A longer ``Retry-After`` is not believed."""

BROKEN_IN_A_ROW = 5
"""So many answers in a row that make no sense are taken for an outage: a broken proxy is not to be hammered."""

_KEY_FIRST, _KEY_CAP, _KEY_JITTER = 5.0, 300.0, 0.1
_MONEY_FIRST, _MONEY_CAP = 15.0, 300.0
_CONCURRENCY_FIRST, _CONCURRENCY_SPAN, _CONCURRENCY_CAP = 1.0, 3.0, 30.0
_OUTAGE_FLOOR, _OUTAGE_FIRST, _OUTAGE_CAP = 0.1, 1.0, 60.0


class Hold(IntEnum):
    """The kinds of suspension, the graver the greater."""

    CONCURRENCY = 1
    OUTAGE = 2
    MONEY = 3
    KEY = 4


_HOLDS = {
    Reason.INVALID_API_KEY: Hold.KEY,
    Reason.FORBIDDEN: Hold.KEY,
    Reason.PAYMENT: Hold.MONEY,
    Reason.RATE_LIMITED: Hold.MONEY,
    Reason.CONCURRENCY: Hold.CONCURRENCY,
    Reason.SERVER: Hold.OUTAGE,
    Reason.TIMEOUT: Hold.OUTAGE,
    Reason.CONNECT: Hold.OUTAGE,
    Reason.TLS: Hold.OUTAGE,
    Reason.NETWORK: Hold.OUTAGE,
    Reason.TRUNCATED: Hold.OUTAGE,
}

_BROKEN = frozenset(
    {Reason.BAD_RESPONSE, Reason.REDIRECT, Reason.BAD_ROUTE, Reason.TOO_LARGE, Reason.TRUNCATED, Reason.INTERNAL}
)


def hold_of(reason: Reason) -> Hold | None:
    """How one such failure holds the account back; None where it is the task's or the answer's own."""
    return _HOLDS.get(reason)


def is_broken(reason: Reason) -> bool:
    """Whether it hints, once it repeats, at something else than the API answering."""
    return reason in _BROKEN


def hold_seconds(hold: Hold, strikes: int, error: DispatcherError, random: Random) -> float:
    """The length of the hold after that many (from 1) in a row of its kind; a ``Retry-After`` is its minimum."""
    return max(_own_seconds(hold, strikes, error, random), told_seconds(error))


def told_seconds(error: DispatcherError) -> float:
    """What ``Retry-After`` asks for, within reason."""
    return min(error.retry_after or 0.0, RETRY_AFTER_LIMIT)


def _own_seconds(hold: Hold, strikes: int, error: DispatcherError, random: Random) -> float:
    if hold is Hold.KEY:
        jitter = random.uniform(1 - _KEY_JITTER, 1 + _KEY_JITTER)
        return jitter * _doubled(_KEY_FIRST, strikes, _KEY_CAP)
    if hold is Hold.MONEY:
        return _money_seconds(strikes, error)
    if hold is Hold.CONCURRENCY:
        return random.uniform(_CONCURRENCY_FIRST, _doubled(_CONCURRENCY_SPAN, strikes, _CONCURRENCY_CAP))
    return max(_OUTAGE_FLOOR, random.uniform(0.0, _doubled(_OUTAGE_FIRST, strikes, _OUTAGE_CAP)))


def _money_seconds(strikes: int, error: DispatcherError) -> float:
    if error.reset_after is None:
        return _doubled(_MONEY_FIRST, strikes, _MONEY_CAP)
    # a reset that has passed and changed nothing (a skewed clock) is not asked about each second for ever
    least = _doubled(1.0, strikes, _MONEY_CAP)
    return min(max(error.reset_after, least), _MONEY_CAP)


def _doubled(first: float, strikes: int, cap: float) -> float:
    """The first value, doubled with each further strike, up to the cap."""
    return min(first * 2.0 ** min(strikes - 1, 32), cap)
