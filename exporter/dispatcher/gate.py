"""When the next request of an account may go, and whose fault a failure is: every limit of the account in one object.

Pure: times (monotonic seconds) are arguments. A request has a Grant, from ``grant`` to ``give_back``; in between it is
``sent``, and then it has ``succeeded`` or ``failed``, or nothing became known of it.

Where the API names the account (key, money, concurrency, a ``Retry-After`` beside a 5xx), the account is held back at
once. Any other failure may be one task's own: a record that breaks the server breaks it each time. So it blames that
task until failures of several tasks, or many in a row, make the account suspect. Then requests go one at a time, as
probes: one that succeeds clears everything, one that fails makes it an outage. After a hold, too, one request goes as
a probe, and what it meets decides; only a concurrency hold ends by itself. What comes back from before the latest
change of the hold (an epoch) is old news: it lifts no hold but a suspicion or an outage, and lengthens or begins none
but for a ``Retry-After``, which counts from when it comes, unless another key has been given since.

A request *aside* is asked for by others and is no poll: it goes within a share of the limits, and anybody may choose
its task. So it tells of the account what the API says of it, and that it answers; its other failures tell nothing.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from random import Random

import msgspec

from exporter.dispatcher.answer import Blame, DispatcherError, Reason
from exporter.dispatcher.holds import Hold, hold_of, hold_seconds, names_account, told_seconds

SUSPECT_TASKS = 3
"""Failures of so many different tasks, with no validated answer in between, make the account suspect."""

SUSPECT_FAILURES = 4
"""And so many failures in a row, of however few tasks: where one alone is followed, its fifth is a probe that fails."""

FAST = 50.0
"""At more requests a second than this, timers are late by a good part of what lies between two of them. At fewer it is
next to nothing, and none goes before its whole interval is over."""

FORGIVEN = 0.005
"""So many seconds, at most, that a request of a fast rate is late do not put off those behind it. For that, their
places lie farther apart by this share, so that no second has more requests than it may."""

ASIDE_SHARE = 4
"""One in so many requests a second, and one in so many slots, may be of those aside."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """Polling is held back, and why; ``until`` is monotonic seconds, when a request may try again."""

    reason: Reason
    until: float


class Grant(msgspec.Struct, frozen=True, gc=False):
    """Leave for one request. A probe is to find out whether the account works again, or still."""

    number: int
    epoch: int
    is_probe: bool
    is_aside: bool = False


@dataclass(frozen=True, slots=True)
class _Held:
    hold: Hold
    reason: Reason
    until: float
    told: bool = False  # the API asked for it by Retry-After


class Gate:
    """The in-flight limit, the rate limit and the holds of one account."""

    def __init__(self, *, max_in_flight: int, max_requests_per_second: float, random: Random) -> None:
        self._max_in_flight = max_in_flight
        self._interval, self._forgiven = _pace(max_requests_per_second)
        self._random = random
        self._granted = 0
        self._out: set[int] = set()
        self._streams: set[int] = set()
        self._asides: set[int] = set()
        self._aside_at = float("-inf")
        self._unsent: dict[int, float] = {}
        self._place = float("-inf")  # in the rate, that was taken last: when its request went, or should have gone
        self._held: _Held | None = None
        self._probe: int | None = None
        self._epoch = 0
        self._key_epoch = 0  # the first of the present key
        self._strikes: Counter[Hold] = Counter()
        self._failing: Counter[Hashable] = Counter()  # failures by task since the API last answered

    @property
    def is_open(self) -> bool:
        """Whether nothing is held against the account, not even a suspicion."""
        return self._held is None

    @property
    def in_flight(self) -> int:
        return len(self._out)

    @property
    def streams(self) -> int:
        """How many of those in flight are streams."""
        return len(self._streams)

    # ---- may a request go? -----------------------------------------------------------------------------------------

    def suspension(self, now: float) -> Suspension | None:
        """The hold in force; it outlasts ``until`` as long as its probe has not succeeded. A suspicion is none yet."""
        self._expire(now)
        if self._held is None or self._held.hold is Hold.SUSPICION:
            return None
        return Suspension(self._held.reason, self._held.until)

    def delay(self, now: float) -> float | None:
        """Seconds until the next request may go; None where one that is out must come back first."""
        self._expire(now)
        if len(self._out) >= self._max_in_flight or self._probe is not None:
            return None
        held_until = self._held.until if self._held else now
        return max(self._wait_for_place(now), held_until - now)

    def delay_aside(self, now: float) -> float | None:
        """The same for a request aside, where no other one waits."""
        delay = self.delay(now)
        slots = max(1, self._max_in_flight // ASIDE_SHARE)
        is_last_slot = len(self._out) >= max(1, self._max_in_flight - 1)
        if delay is None or is_last_slot or len(self._asides) >= slots:
            return None
        return max(delay, self._aside_at + self._interval * ASIDE_SHARE - now)

    def _wait_for_place(self, now: float) -> float:
        """Seconds until the rate has a place."""
        taken_at = max(self._place, *self._unsent.values()) if self._unsent else self._place
        return max(0.0, taken_at + self._interval - now)

    def may_stream(self, now: float) -> bool:
        """Whether a request may be a stream, which stays out for long: one slot is always left to the others."""
        self._expire(now)
        return self._held is None and len(self._streams) < self._max_in_flight - 1

    # ---- the way of one request ------------------------------------------------------------------------------------

    def grant(self, now: float) -> Grant:
        """Leave for a request, which ``delay`` must have allowed."""
        if self.delay(now) != 0.0:
            raise RuntimeError("a request that may not go yet")
        return self._grant(now)

    def grant_at_once(self, now: float) -> Grant | None:
        """Leave for a request that is no probe, where one may go; else None, and ``delay`` says what to wait for."""
        if self._held is not None or len(self._out) >= self._max_in_flight or self._wait_for_place(now):
            return None
        return self._grant(now)

    def grant_aside(self, now: float) -> Grant:
        """Leave for a request aside, which ``delay_aside`` must have allowed."""
        if self.delay_aside(now) != 0.0:
            raise RuntimeError("a request aside that may not go yet")
        grant = self._grant(now, is_aside=True)
        self._asides.add(grant.number)
        self._aside_at = now
        return grant

    def _grant(self, now: float, *, is_aside: bool = False) -> Grant:
        self._granted += 1
        self._out.add(self._granted)
        self._unsent[self._granted] = now
        if self._held:
            self._probe = self._granted
        return Grant(self._granted, self._epoch, is_probe=self._held is not None, is_aside=is_aside)

    def sent(self, grant: Grant, now: float, *, as_stream: bool = False) -> None:
        """The request goes out; as a stream only if ``may_stream`` has just allowed it."""
        if self._unsent.pop(grant.number, None) is None:
            raise RuntimeError("a permit is for one request, and within its block alone")
        self._place = max(self._place, min(now, max(self._place + self._interval, now - self._forgiven)))
        if as_stream:
            self._streams.add(grant.number)

    def repeat(self, now: float, *, within: float) -> float | None:
        """Seconds until a request that met a closed connection may be sent once more; its place is taken by asking.

        None where it may not: the account is held back meanwhile, or there is no place within so many seconds.
        """
        self._expire(now)
        wait = self._wait_for_place(now)
        if self._held is not None or wait > within:
            return None
        self._place = now + wait
        return wait

    def succeeded(self, grant: Grant, now: float) -> None:
        """A validated answer came: it forgives everything, unless it was asked for before the hold."""
        if self._held is None and not self._failing and not self._strikes:
            return  # there is nothing to forgive: so it is with nearly every answer
        self._expire(now)
        self._failing.clear()
        if not self._is_late(grant):
            self._strikes.clear()
            self._lift()
        elif self._held and self._held.hold in (Hold.SUSPICION, Hold.OUTAGE) and not self._held.told:
            del self._strikes[Hold.OUTAGE]
            self._lift()

    def failed(self, grant: Grant, task: Hashable, error: DispatcherError, now: float) -> Blame:
        """No validated answer came for this task; say whose fault that is taken for."""
        self._expire(now)
        hold = hold_of(error.reason)
        if grant.is_aside and not tells_of_account(grant, error):
            return Blame.TASK
        if self._is_late(grant):
            return self._failed_late(grant, hold, error, now)
        if hold is None:
            # the API answers, if not well: strikes stay until it does
            self._failing.clear()
            self._lift()
            return Blame.TASK
        if self._held and hold is Hold.OUTAGE:
            self._probe_failed(self._held, error, now)
            return Blame.ACCOUNT
        if names_account(error):
            self._hold(hold, error.reason, error, now)
            return Blame.ACCOUNT
        self._suspect(task, error, now)
        return Blame.TASK

    def give_back(self, grant: Grant) -> bool:
        """The request is over, or was never made: then its place in the rate limit is free as well.

        It may be said again; say whether it was out until now.
        """
        number = grant.number
        if number not in self._out:
            return False
        self._out.remove(number)
        self._unsent.pop(number, None)
        self._streams.discard(number)
        self._asides.discard(number)
        if self._probe == number:
            self._probe = None
        return True

    # ---- changes from outside --------------------------------------------------------------------------------------

    def retry_now(self, now: float) -> None:
        """The key has changed: what the old one met is void, and one request may try at once."""
        if self._held is None:
            self._epoch += 1
        elif self._held.hold in (Hold.KEY, Hold.MONEY):
            self._turn(_Held(self._held.hold, self._held.reason, now))
            self._probe = None  # one with the old key, should it still be out
            self._strikes.clear()
        self._key_epoch = self._epoch

    def make_way(self, error: DispatcherError, now: float) -> None:
        """Somebody else's request met the concurrency cap that ours are under, too: they would only take its places."""
        self._expire(now)
        if self._held is None or self._held.hold < Hold.CONCURRENCY:
            self._hold(Hold.CONCURRENCY, Reason.CONCURRENCY, error, now)

    def relimit(self, *, max_in_flight: int, max_requests_per_second: float) -> None:
        """Other limits from now on; what is out stays out."""
        self._max_in_flight = max_in_flight
        self._interval, self._forgiven = _pace(max_requests_per_second)

    # ---- holds -----------------------------------------------------------------------------------------------------

    def _suspect(self, task: Hashable, error: DispatcherError, now: float) -> None:
        self._failing[task] += 1
        if len(self._failing) >= SUSPECT_TASKS or self._failing.total() >= SUSPECT_FAILURES:
            self._turn(_Held(Hold.SUSPICION, error.reason, now))

    def _probe_failed(self, held: _Held, error: DispatcherError, now: float) -> None:
        """The probe got nowhere. Where the account is held for its key or its money, that tells nothing of them."""
        if held.hold > Hold.OUTAGE:
            self._hold(held.hold, held.reason, error, now)
        else:
            self._hold(Hold.OUTAGE, error.reason, error, now)

    def _failed_late(self, grant: Grant, hold: Hold | None, error: DispatcherError, now: float) -> Blame:
        if hold is not None and names_account(error):
            is_of_old_key = grant.epoch < self._key_epoch
            if self._held:
                self._heard_late(self._held, hold, error, now)
            elif told_seconds(error) and not is_of_old_key:
                self._hold(hold, error.reason, error, now)
            return Blame.ACCOUNT
        is_out_of_order = self._held is not None and self._held.hold >= Hold.OUTAGE
        return Blame.ACCOUNT if hold is not None and is_out_of_order else Blame.TASK

    def _heard_late(self, held: _Held, hold: Hold, error: DispatcherError, now: float) -> None:
        told = told_seconds(error)
        if hold > held.hold:
            self._hold(hold, error.reason, error, now)
        elif told and now + told > held.until:
            self._held = _Held(held.hold, held.reason, now + told, told=True)

    def _hold(self, hold: Hold, reason: Reason, error: DispatcherError, now: float) -> None:
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
        if held is None:
            self._probe = None  # one that is out yet keeps the next one waiting, whatever else became known meanwhile
        self._epoch += 1
        self._failing.clear()

    def _is_late(self, grant: Grant) -> bool:
        return grant.epoch != self._epoch


def _pace(max_requests_per_second: float) -> tuple[float, float]:
    """Seconds from one request to the next, and how many of those that one is late are forgiven."""
    forgiven = FORGIVEN if max_requests_per_second > FAST else 0.0
    return (1.0 + forgiven) / max_requests_per_second, forgiven


def tells_of_account(grant: Grant, error: DispatcherError) -> bool:
    """Whether a failure may be more than the fault of the one who asked: of a poll each may be."""
    if not grant.is_aside or names_account(error):
        return True
    return grant.is_probe and hold_of(error.reason) is None  # held back or not, the API is at work
