"""When the next request of an account may go: every limit of the account in one object.

Pure: times (monotonic seconds) are arguments. A request takes a Pass and brings it back by exactly one of
``succeeded``, ``failed`` and ``abandoned``. After a suspension one request goes as a probe, and what it meets decides;
only a concurrency hold ends by itself. What comes back from before the latest turn (an epoch) is old news: it does not
lengthen a hold, and it lifts none but that of an outage.
"""

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from random import Random

from exporter.dispatcher.answer import DispatcherError, Reason

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


@dataclass(frozen=True, slots=True)
class Suspension:
    """Polling is held back, and why; ``until`` is monotonic seconds, when a request may try again."""

    reason: Reason
    until: float


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave for one request."""

    number: int
    epoch: int


@dataclass(frozen=True, slots=True)
class _Held:
    hold: Hold
    reason: Reason
    until: float
    told: bool = False  # the API asked for it by Retry-After


class Gate:
    """The in-flight limit, the rate limit and the suspensions of one account."""

    def __init__(self, *, max_in_flight: int, max_requests_per_second: float, random: Random) -> None:
        self._max_in_flight = max_in_flight
        self._interval = 1.0 / max_requests_per_second
        self._random = random
        self._last_sent = float("-inf")
        self._sent = 0
        self._out: set[int] = set()
        self._streams: set[int] = set()
        self._held: _Held | None = None
        self._probe: int | None = None
        self._epoch = 0
        self._strikes: Counter[Hold] = Counter()
        self._broken = 0

    @property
    def in_flight(self) -> int:
        return len(self._out)

    @property
    def streams(self) -> int:
        """How many of those in flight are streams."""
        return len(self._streams)

    def suspension(self, now: float) -> Suspension | None:
        """The suspension in force; it outlasts ``until`` as long as its probe has not succeeded."""
        self._expire(now)
        return Suspension(self._held.reason, self._held.until) if self._held else None

    def delay(self, now: float) -> float | None:
        """Seconds until the next request may go; None where one that is out must come back first."""
        self._expire(now)
        if len(self._out) >= self._max_in_flight or self._probe is not None:
            return None
        held_until = self._held.until if self._held else now
        return max(0.0, self._last_sent + self._interval - now, held_until - now)

    def sent(self, now: float) -> Pass:
        """Take leave for a request, which ``delay`` must have given."""
        if self.delay(now) != 0.0:
            raise RuntimeError("a request without leave")
        self._last_sent = now
        self._sent += 1
        self._out.add(self._sent)
        if self._held:
            self._probe = self._sent
        return Pass(self._sent, self._epoch)

    def may_stream(self, now: float) -> bool:
        """Whether a request may be a stream, which stays out for long: one slot is always left to the others."""
        return self.suspension(now) is None and len(self._streams) < self._max_in_flight - 1

    def streams_on(self, leave: Pass) -> None:
        """The request that this leave is for is a stream, which ``may_stream`` must have allowed."""
        self._streams.add(leave.number)

    def is_out(self, leave: Pass) -> bool:
        """Whether the leave has not been brought back yet."""
        return leave.number in self._out

    def succeeded(self, leave: Pass, now: float) -> None:
        """A validated answer came: it forgives everything, unless it was asked for before the suspension."""
        self._expire(now)
        self._back(leave)
        if not self._is_late(leave):
            self._strikes.clear()
            self._broken = 0
            self._lift()
        elif self._held and self._held.hold is Hold.OUTAGE and not self._held.told:
            del self._strikes[Hold.OUTAGE]
            self._broken = 0
            self._lift()

    def failed(self, leave: Pass, error: DispatcherError, now: float) -> None:
        """No validated answer came."""
        self._expire(now)
        self._back(leave)
        if self._is_late(leave):
            self._failed_late(error, now)
            return
        self._broken += is_broken(error.reason)
        hold = self._hold_of(error)
        if hold is None:
            # the API refused this one request, so it answers; its strikes stay until it answers well
            self._lift()
        elif self._held and hold is Hold.OUTAGE:
            # the probe got nowhere: that tells nothing of key or money
            self._suspend(self._held.hold, self._reason_beside(hold, error), error, now)
        else:
            self._suspend(hold, error.reason, error, now)

    def abandoned(self, leave: Pass) -> None:
        """The request was given up; nothing is known of it."""
        self._back(leave)

    def retry_now(self, now: float) -> None:
        """The key has changed: what the old one met is void, and one request may try at once."""
        if self._held is None:
            self._epoch += 1
        elif self._held.hold in (Hold.KEY, Hold.MONEY):
            self._turn(_Held(self._held.hold, self._held.reason, now))
            self._strikes.clear()

    def relimit(self, *, max_in_flight: int, max_requests_per_second: float) -> None:
        """Other limits from now on; what is out stays out."""
        self._max_in_flight = max_in_flight
        self._interval = 1.0 / max_requests_per_second

    def _failed_late(self, error: DispatcherError, now: float) -> None:
        hold = hold_of(error.reason)
        if self._held is None or hold is None or hold < self._held.hold:
            return
        if hold > self._held.hold:
            self._suspend(hold, error.reason, error, now)
            return
        told = told_seconds(error)
        if told and now + told > self._held.until:
            self._held = _Held(hold, self._held.reason, now + told, told=True)

    def _hold_of(self, error: DispatcherError) -> Hold | None:
        hold = hold_of(error.reason)
        if hold is None and is_broken(error.reason) and (self._held or self._broken >= BROKEN_IN_A_ROW):
            return Hold.OUTAGE
        return hold

    def _reason_beside(self, hold: Hold, error: DispatcherError) -> Reason:
        return error.reason if self._held is None or self._held.hold is hold else self._held.reason

    def _suspend(self, hold: Hold, reason: Reason, error: DispatcherError, now: float) -> None:
        self._strikes[hold] += 1
        until = now + hold_seconds(hold, self._strikes[hold], error, self._random)
        if self._held:
            until = max(until, self._held.until)
        self._turn(_Held(hold, reason, until, told=told_seconds(error) > 0))

    def _lift(self) -> None:
        if self._held:
            self._turn(None)

    def _expire(self, now: float) -> None:
        if self._held and self._held.hold is Hold.CONCURRENCY and now >= self._held.until:
            self._turn(None)

    def _turn(self, held: _Held | None) -> None:
        self._held = held
        self._probe = None
        self._epoch += 1

    def _back(self, leave: Pass) -> None:
        self._out.remove(leave.number)
        self._streams.discard(leave.number)
        if self._probe == leave.number:
            self._probe = None

    def _is_late(self, leave: Pass) -> bool:
        return leave.epoch != self._epoch
