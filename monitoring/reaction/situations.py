"""What an operator meets, each with enough of a good time before it that every window has seen what is usual."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from exporter.dispatcher.answer import Reason
from monitoring.reaction.api import Api, Fault
from monitoring.reaction.life import Books, Process
from monitoring.reaction.record import Record
from monitoring.reaction.tasks import (
    DAY,
    HOUR,
    MINUTE,
    RENDERS,
    STILLS,
    Share,
    Task,
    batches,
    healthy,
    hung,
    steady,
)

REFRESH: Final = 30.0
"""Seconds between two readings of the source that names the tasks."""

USUAL: Final = 27 * HOUR
"""How long all is well before something happens: a day and what lies before the day of a rule that looks back."""

LONG: Final = 3 * DAY
"""The same where the slow burn's window matters."""

CLOSELY: Final = 3 * HOUR
"""So long before the cause the scrapes become as frequent as after it. Before, they are just frequent enough for
Prometheus to take a series for present: promtool evaluates each minute, and each window costs what it holds."""

RARELY: Final = 4
"""Minutes between two scrapes before that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One situation; times are seconds from its start, ``cause`` is what reactions are counted from.

    The exporter is down from the first to the second time of each pair of ``downs``. What goes on for days is judged
    every so many minutes (``step``) only: promtool's time is spent on evaluations.
    """

    name: str
    tells: str
    cause: float
    ends: float
    traffic: Callable[[], Iterable[Task]]
    api: Api = field(default_factory=Api)
    downs: Sequence[tuple[float, float]] = ()
    step: int = 1


def lived(situation: Situation, wanted: frozenset[str]) -> Record:
    """Live through a situation, from one event to the next; keep what a rule reads of it."""
    tasks = dict(enumerate(sorted(situation.traffic(), key=lambda task: task.submitted)))
    record, books, process = Record({task.kind for task in tasks.values()}, wanted), Books(), None
    coming = iter(tasks.items())
    waiting = next(coming, None)
    now = scrape_at = refresh_at = refreshed_at = 0.0
    while now <= situation.ends:
        if any(begins <= now < ends for begins, ends in situation.downs):
            process = None
        elif process is None:
            process = Process(situation.api, tasks, books, now=now)
        if process and now >= refresh_at:
            while waiting and waiting[1].submitted <= now:
                process.follow(waiting[0], now)
                waiting = next(coming, None)
            refreshed_at, refresh_at = now, now + REFRESH
        if process:
            process.step(now)
        if now >= scrape_at:
            if now >= situation.cause - CLOSELY or now % (RARELY * MINUTE) == 0:
                record.scrape(process, books, refreshed_at=refreshed_at, now=now)
            else:
                record.skip()
            scrape_at += MINUTE
        now = min(scrape_at, *_next(process, now, refresh_at))
    return record


def _next(process: Process | None, now: float, refresh_at: float) -> tuple[float, ...]:
    return (process.next_at(now), refresh_at) if process else (math.inf,)


# ---- the situations --------------------------------------------------------------------------------------------------


def situations() -> Iterator[Situation]:
    """All of them, in the order of the table."""
    yield _healthy()
    yield _outage("outage", minutes=15, reason=Reason.TIMEOUT, seconds=10.0)
    yield _outage("short outage", minutes=8, reason=Reason.SERVER, seconds=0.02)
    yield _wave()
    yield _slow_burn()
    yield _one_an_hour()
    yield _failing_batches()
    yield _nightly_batch()
    yield _quiet_night()
    yield _restart()
    yield _crash_loop()


def _healthy() -> Situation:
    ends = USUAL + 4 * HOUR
    return Situation(
        name="healthy",
        tells="Two groups, 150 tasks an hour, one in a hundred fails.",
        cause=USUAL,
        ends=ends,
        traffic=lambda: _traffic(until=ends),
    )


def _outage(name: str, *, minutes: float, reason: Reason, seconds: float) -> Situation:
    """While nothing answers, nothing can be submitted either."""
    ends = USUAL + 2 * HOUR
    fault = Fault(USUAL, USUAL + minutes * MINUTE, reason, seconds)
    return Situation(
        name=name,
        tells=f"For {minutes:g} minutes every request of the account ends as `{reason}`.",
        cause=USUAL,
        ends=ends,
        traffic=lambda: [task for task in _traffic(until=ends) if not fault.is_on(task.submitted)],
        api=Api([fault]),
    )


def _wave() -> Situation:
    ends = USUAL + 8 * HOUR
    return Situation(
        name="wave",
        tells="For an hour 80 % of the tasks of one model, a group of its own, fail.",
        cause=USUAL,
        ends=ends,
        traffic=lambda: _traffic(until=ends, failing=_meanwhile(0.8, USUAL, USUAL + HOUR)),
    )


def _slow_burn() -> Situation:
    ends = LONG + 54 * HOUR
    return Situation(
        name="slow burn",
        tells="7.5 % of the tasks of one group fail, for more than two days.",
        cause=LONG,
        ends=ends,
        traffic=lambda: steady(RENDERS, every=MINUTE, until=ends, failing=_meanwhile(0.075, LONG, ends)),
        step=5,
    )


def _one_an_hour() -> Situation:
    ends = LONG + 18 * HOUR
    return Situation(
        name="one an hour",
        tells="The only traffic is one task an hour, and for 18 hours each fails.",
        cause=LONG,
        ends=ends,
        traffic=lambda: steady(RENDERS, every=HOUR, until=ends, failing=_meanwhile(1.0, LONG, ends)),
        step=5,
    )


def _failing_batches() -> Situation:
    ends = LONG + 14 * HOUR
    starts = [hour * HOUR for hour in range(int(ends // HOUR))]
    failing = _meanwhile(0.75, LONG, LONG + 6 * HOUR)
    return Situation(
        name="failing batches",
        tells="The only traffic is a batch of 40 tasks each hour; three in four of six batches fail.",
        cause=LONG,
        ends=ends,
        traffic=lambda: batches(RENDERS, starts, tasks=40, within=5 * MINUTE, failing=failing),
        step=2,
    )


def _nightly_batch() -> Situation:
    """It starts at noon. The night before the cause is the first one; the quota suffices for another two."""
    nights = [14 * HOUR + day * DAY for day in range(3)]
    ends = nights[-1] + 6 * HOUR
    quota = sum(RENDERS.credits * 85 for _ in nights) + 66 + 0.15 * ends / (5 * MINUTE)
    return Situation(
        name="nightly batch",
        tells="A batch of 34 credits each night, seen from the second night on, besides little traffic by day.",
        cause=nights[1],
        ends=ends,
        traffic=lambda: chain(
            batches(RENDERS, nights, tasks=85, within=20 * MINUTE, failing=healthy),
            steady(STILLS, every=5 * MINUTE, until=ends, failing=healthy),
        ),
        api=Api(quota=quota),
        step=2,
    )


def _quiet_night() -> Situation:
    ends = USUAL + 8 * HOUR
    hang_from = [USUAL - minutes * MINUTE for minutes in (12, 7, 3)]
    return Situation(
        name="quiet night",
        tells="Traffic stops at 23:00, with three tasks that hang until the morning.",
        cause=USUAL,
        ends=ends,
        traffic=lambda: chain(_traffic(until=USUAL), hung(RENDERS, hang_from)),
    )


def _restart() -> Situation:
    ends = USUAL + 2 * HOUR
    return Situation(
        name="restart",
        tells="The exporter is restarted, and is away for two minutes.",
        cause=USUAL,
        ends=ends,
        traffic=lambda: _traffic(until=ends),
        downs=[(USUAL, USUAL + 2 * MINUTE)],
    )


def _crash_loop() -> Situation:
    ends = USUAL + 3 * HOUR
    loop = range(int(USUAL), int(USUAL + HOUR), int(5 * MINUTE))
    return Situation(
        name="crash loop",
        tells="For an hour the exporter is down for two minutes after three that it runs.",
        cause=USUAL,
        ends=ends,
        traffic=lambda: _traffic(until=ends),
        downs=[(float(start), start + 2 * MINUTE) for start in loop],
    )


def _traffic(*, until: float, failing: Share = healthy) -> Iterator[Task]:
    """Two groups with a model each; ``failing`` is of the first."""
    renders = steady(RENDERS, every=30.0, until=until, failing=failing)
    stills = steady(STILLS, every=2 * MINUTE, until=until, failing=healthy)
    return chain(renders, stills)


def _meanwhile(share: float, begins: float, ends: float) -> Share:
    return lambda at: share if begins <= at < ends else healthy(at)
