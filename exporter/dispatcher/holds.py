"""What a failure may hold an account back for, and for how long."""

from enum import IntEnum
from random import Random

from exporter.dispatcher.answer import DispatcherError, Reason

RETRY_AFTER_LIMIT = 3600.0
"""A longer ``Retry-After`` is not believed."""

_KEY_FIRST, _KEY_CAP, _KEY_JITTER = 5.0, 300.0, 0.1
_MONEY_FIRST, _MONEY_CAP = 15.0, 300.0
_CONCURRENCY_FIRST, _CONCURRENCY_SPAN, _CONCURRENCY_CAP = 1.0, 3.0, 30.0
_OUTAGE_FLOOR, _OUTAGE_FIRST, _OUTAGE_CAP = 0.1, 1.0, 60.0


class Hold(IntEnum):
    """The kinds of holds, the graver the greater. Under SUSPICION requests go one at a time, and none has to wait."""

    SUSPICION = 0
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
    Reason.BAD_REQUEST: None,
}


def hold_of(reason: Reason) -> Hold | None:
    """What such failures hold the account back as; None for a plain refusal of one task: that shows an API at work."""
    return _HOLDS.get(reason, Hold.OUTAGE)


def names_account(error: DispatcherError) -> bool:
    """Whether one such failure is enough to hold the account back, for the API says so: beside a 5xx by Retry-After."""
    hold = hold_of(error.reason)
    if hold is Hold.OUTAGE:
        return error.reason is Reason.SERVER and told_seconds(error) > 0
    return hold is not None


def told_seconds(error: DispatcherError) -> float:
    """What ``Retry-After`` asks for, within reason."""
    return min(error.retry_after or 0.0, RETRY_AFTER_LIMIT)


def hold_seconds(hold: Hold, strikes: int, error: DispatcherError, random: Random) -> float:
    """The length of a hold after that many (from 1) in a row of its kind; a ``Retry-After`` is its minimum."""
    return max(_own_seconds(hold, strikes, error, random), told_seconds(error))


def _own_seconds(hold: Hold, strikes: int, error: DispatcherError, random: Random) -> float:
    match hold:
        case Hold.KEY:
            jitter = random.uniform(1 - _KEY_JITTER, 1 + _KEY_JITTER)
            return jitter * _doubled(_KEY_FIRST, strikes, _KEY_CAP)
        case Hold.MONEY:
            return _money_seconds(strikes, error)
        case Hold.OUTAGE:
            return max(_OUTAGE_FLOOR, random.uniform(0.0, _doubled(_OUTAGE_FIRST, strikes, _OUTAGE_CAP)))
        case Hold.CONCURRENCY:
            return random.uniform(_CONCURRENCY_FIRST, _doubled(_CONCURRENCY_SPAN, strikes, _CONCURRENCY_CAP))
        case Hold.SUSPICION:
            return 0.0


def _money_seconds(strikes: int, error: DispatcherError) -> float:
    if error.reset_after is None:
        return _doubled(_MONEY_FIRST, strikes, _MONEY_CAP)
    # a reset that has passed and changed nothing (a skewed clock) is not asked about each second for ever
    least = _doubled(1.0, strikes, _MONEY_CAP)
    return min(max(error.reset_after, least), _MONEY_CAP)


def _doubled(first: float, strikes: int, cap: float) -> float:
    """The first value, doubled with each further strike, up to the cap."""
    return min(first * 2.0 ** min(strikes - 1, 32), cap)
