"""What the headers of a response say of money and of time. Headers are mappings that find a name whatever its case."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from exporter.dispatcher.answer import Quota
from exporter.dispatcher.exchange import Headers
from exporter.dispatcher.wire import numeral

_DATE_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the API asks to be left alone, in seconds from now; None where it does not say."""

    retry_after: float | None = None
    reset_after: float | None = None


_MONEY = (
    "X-Quota-Remaining-Credits",
    "X-Org-Quota-Remaining-Credits",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
"""In the order of a quota's fields."""

_MONEY_AS_SENT = tuple(name.lower().encode() for name in _MONEY)


class QuotaReader:
    """Reads the money headers of one response after another; most say what the last one said."""

    def __init__(self) -> None:
        self._seen: list[bytes | None] = []
        self._quota = Quota()

    def read(self, headers: Mapping[str, str]) -> Quota:
        """What is present and holds a finite number. It may be negative: overspent is not nothing."""
        if not isinstance(headers, Headers):
            return _quota(headers)
        seen = headers.looked_up(_MONEY_AS_SENT)
        if seen != self._seen:
            self._quota, self._seen = _quota(headers), seen
        return self._quota


def _quota(headers: Mapping[str, str]) -> Quota:
    return Quota(*(numeral(headers.get(name, "")) for name in _MONEY))


def read_waits(headers: Mapping[str, str], *, now: float) -> Waits:
    """``Retry-After`` in both forms and ``X-RateLimit-Reset``, from now (Unix seconds) on.

    Points in time are compared with the response's own ``Date`` where there is one, so that a skewed clock here does
    not change the wait.
    """
    sent_at = _date(headers.get("Date", ""))
    since = now if sent_at is None else sent_at
    reset_at = _number(headers, "X-RateLimit-Reset")
    return Waits(
        retry_after=_retry_after(headers.get("Retry-After", ""), since),
        reset_after=None if reset_at is None else max(0.0, reset_at - since),
    )


def merged(old: Quota, new: Quota) -> Quota:
    """The last values seen. The three of the spend bucket go together: the next answer may speak of another bucket."""
    if new is old or new == old:  # nothing was spent in between
        return new
    spoken = (new.rate_limit_usd, new.rate_limit_remaining_usd, new.rate_limit_reset_at)
    bucket = new if any(value is not None for value in spoken) else old
    return Quota(
        remaining_credits=_either(new.remaining_credits, old.remaining_credits),
        org_remaining_credits=_either(new.org_remaining_credits, old.org_remaining_credits),
        rate_limit_usd=bucket.rate_limit_usd,
        rate_limit_remaining_usd=bucket.rate_limit_remaining_usd,
        rate_limit_reset_at=bucket.rate_limit_reset_at,
    )


def _retry_after(text: str, since: float) -> float | None:
    seconds = numeral(text)
    if seconds is not None:
        return seconds if seconds >= 0 else None
    at = _date(text)
    return None if at is None else max(0.0, at - since)


def _date(text: str) -> float | None:
    """Unix seconds of an HTTP date."""
    if not 0 < len(text) <= _DATE_LIMIT:
        return None
    try:
        return _as_utc(parsedate_to_datetime(text)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _as_utc(date: datetime) -> datetime:
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    return numeral(text) if (text := headers.get(name, "")) else None


def _either(new: float | None, old: float | None) -> float | None:
    return old if new is None else new
