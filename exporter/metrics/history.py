"""The last hour, kept in memory for the pages that people look at: a fixed number of samples.

Pure; ``service/sampling.py`` takes the samples. It begins anew with each start: it is a picture for whoever has nothing
else at hand, and no substitute for Prometheus.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TypeVar

from exporter.metrics.readings import Asked, Ended, Open, Reading, added, grown
from exporter.metrics.snapshot import AccountView

Kept = TypeVar("Kept")

INTERVAL = 30.0
"""Seconds from one sample to the next."""

SLOTS = 120
"""So many intervals are remembered: an hour."""

MOST = 50
"""The first so many groups, and accounts, have a history of their own; the total has them all."""


class Answering(StrEnum):
    """Whether an account answered, as far as one sample tells."""

    UP = "up"
    PARTLY = "some failed"
    DOWN = "down"
    SUSPENDED = "suspended"
    IDLE = "idle"
    UNKNOWN = "no answer yet"

    @property
    def is_blind(self) -> bool:
        """Whether nothing is learnt of the tasks meanwhile."""
        return self in (Answering.DOWN, Answering.SUSPENDED, Answering.UNKNOWN)


@dataclass(frozen=True, slots=True)
class GroupSample:
    """A group, or all of them, at one sample; ``ended`` since the one before, None where that is not known."""

    open: Open
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class AccountSample:
    """An account at one sample. ``waited`` is the age (seconds) of the longest-due poll, None where none is due."""

    answering: Answering
    reason: str = ""
    waited: float | None = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample, so many seconds after the one before.

    ``slot`` counts intervals: where a number is left out, no sample was taken in that time. ``total`` is of all groups.
    ``is_blind``: there was something to ask, and no account answered. ``waited`` is the age (seconds) of the
    longest-due poll of all accounts, 0 where none is due.
    """

    slot: int
    seconds: float
    total: GroupSample
    is_blind: bool
    waited: float
    groups: Mapping[str, GroupSample]
    accounts: Mapping[str, AccountSample]


@dataclass(frozen=True, slots=True)
class Recent:
    """The samples there are, oldest first, and the slot that it is now."""

    samples: tuple[Sample, ...] = ()
    slot: int = 0
    interval: float = INTERVAL

    @property
    def age(self) -> float:
        """Seconds since the oldest sample."""
        return (self.slot - self.samples[0].slot) * self.interval if self.samples else 0.0


class History:
    """Remembers ``slots`` intervals, and of each so many groups and accounts at most."""

    def __init__(self, *, interval: float = INTERVAL, slots: int = SLOTS, most: int = MOST) -> None:
        self._interval = interval
        self._slots = slots
        self._most = most
        self._samples: deque[Sample] = deque(maxlen=slots + 1)
        self._last: Reading | None = None
        self._last_at = 0.0

    def add(self, reading: Reading, *, now: float) -> None:
        """Remember what has happened since the last reading; ``now`` is by the steady clock."""
        seconds, before = 0.0, self._last
        slot = self._samples[-1].slot if self._samples else 0
        if before is not None:
            seconds = self._elapsed(now)
            slot += max(1, round(seconds / self._interval))
        self._samples.append(self._sample(reading, before, slot=slot, seconds=seconds))
        self._last, self._last_at = reading, now

    def recent(self, *, now: float) -> Recent:
        """What is remembered at this instant; it may be kept, and read in any thread."""
        if not self._samples:
            return Recent(interval=self._interval)
        slot = self._samples[-1].slot + int(self._elapsed(now) / self._interval)
        first = slot - self._slots
        return Recent(tuple(sample for sample in self._samples if sample.slot >= first), slot, self._interval)

    def _elapsed(self, now: float) -> float:
        """Seconds since the last reading, those that the machine was asleep too."""
        return max(0.0, now - self._last_at)

    def _sample(self, reading: Reading, before: Reading | None, *, slot: int, seconds: float) -> Sample:
        groups = {name: _group_sample(name, reading, before) for name in reading.groups}
        accounts = {view.name: _account_sample(view, reading, before) for view in reading.accounts}
        last = self._samples[-1] if self._samples else None
        kept = dict(islice(groups.items(), self._most))
        wanted = {*islice(accounts, self._most), *(reading.places[name] for name in kept)}
        return Sample(
            slot=slot,
            seconds=seconds,
            total=_total(list(groups.values())),
            is_blind=_is_blind(accounts.values()),
            waited=max((account.waited or 0.0 for account in accounts.values()), default=0.0),
            groups=_shared(kept, last.groups if last else {}),
            accounts=_shared(
                {name: sample for name, sample in accounts.items() if name in wanted}, last.accounts if last else {}
            ),
        )


# ---- from two readings to a sample -----------------------------------------------------------------------------------


def _group_sample(name: str, reading: Reading, before: Reading | None) -> GroupSample:
    """A group that is new, here or in its account, has no past: what was counted of it before has not happened now."""
    has_past = before is not None and before.places.get(name) == reading.places[name]
    earlier = before.ended.get(name) if before and has_past else None
    return GroupSample(reading.groups[name], reading.ended[name].since(earlier) if earlier else None)


def _total(samples: Sequence[GroupSample]) -> GroupSample:
    known = [sample.ended for sample in samples if sample.ended is not None]
    opened = [sample.open for sample in samples]
    return GroupSample(
        Open(sum(it.known for it in opened), sum(it.unobserved for it in opened), sum(it.unknown for it in opened)),
        added(known) if known or not samples else None,
    )


def _account_sample(view: AccountView, reading: Reading, before: Reading | None) -> AccountSample:
    earlier = before.asked.get(view.name) if before else None
    now = reading.asked[view.name]
    asked = Asked(grown(now.requests, earlier.requests), grown(now.failures, earlier.failures)) if earlier else None
    waited = None if view.oldest_due_at is None else max(0.0, reading.at - view.oldest_due_at)
    answering = answering_of(view, asked, is_idle=not reading.open_of_account.get(view.name))
    return AccountSample(answering, view.suspended or "", waited, asked)


def answering_of(view: AccountView, asked: Asked | None, *, is_idle: bool) -> Answering:
    """``asked`` since the last look, None where that is not known; ``is_idle``: the account has no open task."""
    requests, failures = (asked.requests, asked.failures) if asked else (0.0, 0.0)
    if view.suspended:
        return Answering.SUSPENDED
    if is_idle and not requests:
        return Answering.IDLE
    if 0 < failures < requests:
        return Answering.PARTLY
    if view.up:
        return Answering.UP
    return Answering.UNKNOWN if view.last_success_at is None and not failures else Answering.DOWN


def _is_blind(accounts: Iterable[AccountSample]) -> bool:
    """Whether none answered of those that there was anything to ask of."""
    asked = [account.answering for account in accounts if account.answering is not Answering.IDLE]
    return bool(asked) and all(answering.is_blind for answering in asked)


def _shared(samples: dict[str, Kept], before: Mapping[str, Kept]) -> dict[str, Kept]:
    """Equal samples are one object: what does not change takes hardly any memory."""
    return {name: before[name] if before.get(name) == sample else sample for name, sample in samples.items()}
