"""The last hour as pictures and words, for whoever has no Grafana at hand. Pure.

What is not known is said to be so: while an account does not answer, its share of success is not known, whatever ended
before, and the pictures are grey there. Where nothing was sampled, they are empty.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, takewhile

from exporter.metrics.history import MOST, AccountSample, Answering, GroupSample, Recent, Sample
from exporter.metrics.readings import Asked, Open, open_tasks, places_of
from exporter.metrics.snapshot import Snapshot
from exporter.web.canvas import Canvas
from exporter.web.figures import Figure, block, figure, highest
from exporter.web.timeline import WINDOWS, Column, Timeline, done_in, totals
from exporter.web.told import Fact, Told
from exporter.web.wording import about, as_age, as_number, as_utc

CARD_HEIGHT, ROW_HEIGHT = 48, 24
ROW_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class Card:
    """One of the large pictures: of all groups and accounts together."""

    title: str
    value: Fact
    lines: tuple[str, ...]
    picture: Figure


@dataclass(frozen=True, slots=True)
class AccountTrend:
    """One account: when it answered, and what it was asked."""

    answers: Figure
    requests: Figure


@dataclass(frozen=True, slots=True)
class GroupTrend:
    """One group."""

    name: str
    open: Fact
    open_picture: Figure
    ended: Fact
    ended_picture: Figure
    success: Fact
    success_before: str
    duration: Fact
    credits: Fact


@dataclass(frozen=True, slots=True)
class Trends:
    """Everything that is drawn. ``collecting`` is for how long, until the picture is full.

    ``unknown`` says what cannot be known; ``left_out`` groups have no pictures of their own.
    """

    title: str
    caption: str
    collecting: str
    unknown: tuple[str, ...]
    cards: tuple[Card, ...]
    accounts: Mapping[str, AccountTrend]
    groups: tuple[GroupTrend, ...]
    left_out: int


def trends(recent: Recent, snapshot: Snapshot) -> Trends:
    """What is drawn at this instant."""
    view, places = Timeline(recent), places_of(snapshot)
    opened = open_tasks(snapshot, places)
    last = view.samples[-1] if view.samples else None
    drawn = list(islice(opened, MOST))
    with_history = {*(account.name for account in snapshot.accounts[:MOST]), *(last.accounts if last else ())}
    return Trends(
        title=f"Last {_window(view.seconds)}",
        caption=f"From {as_utc(snapshot.census.at - view.seconds)} to now, a point every {as_age(recent.interval)}.",
        collecting="" if recent.age >= WINDOWS[-1] - recent.interval else as_age(recent.age),
        unknown=tuple(_unknown(view, last)) if last else (),
        cards=_cards(view, opened, snapshot),
        accounts={
            account.name: _account(view, account.name) for account in snapshot.accounts if account.name in with_history
        },
        groups=tuple(_group(view, name, places[name], opened[name]) for name in drawn),
        left_out=len(opened) - len(drawn),
    )


def _unknown(view: Timeline, last: Sample) -> Iterator[str]:
    """The accounts that do not answer, and for how long."""
    for name, account in last.accounts.items():
        if account.answering.is_blind:
            states = [sample.accounts[name] for sample in view.samples if name in sample.accounts]
            blind = len(list(takewhile(lambda it: it.answering.is_blind, reversed(states))))
            yield f"Account {name} has not answered for {about(blind * view.interval)}: what its tasks do is not known."


def _window(seconds: float) -> str:
    return "hour" if seconds == WINDOWS[-1] else f"{seconds / 60:.0f} minutes"


# ---- everything together ---------------------------------------------------------------------------------------------


def _cards(view: Timeline, opened: Mapping[str, Open], snapshot: Snapshot) -> tuple[Card, ...]:
    blind = [any(column) for column in view.columns(view.slots, lambda sample: sample.is_blind)]
    seen = [bool(column) for column in view.columns(view.slots, lambda sample: sample)]
    canvas = Canvas(blind, seen, CARD_HEIGHT)
    total = Open(
        sum(it.known for it in opened.values()),
        sum(it.unobserved for it in opened.values()),
        sum(it.unknown for it in opened.values()),
    )
    is_blind = bool(view.samples) and view.samples[-1].is_blind
    done = [done_in(column) for column in view.columns(view.slots, lambda it: (it.total, it.seconds))]
    now, before = done_in(totals(view.latest)), done_in(totals(view.samples))
    told = Told(now, before, is_idle=not total.all, is_blind=is_blind)
    return (
        _open_card(canvas, view.columns(view.slots, lambda sample: sample.total.open), total),
        Card("Ended, per minute", told.rate(), told.outcomes(), canvas.ended("Ended tasks", told.rate().words, done)),
        Card("Success", told.success(), told.success_lines(), _success_picture(canvas, view, told)),
        Card("Duration, median", told.duration(), told.duration_lines(), _duration_picture(canvas, view, told)),
        Card("Credits, per hour", told.credits(), told.credits_lines(), canvas.credits(told.credits().words, done)),
        _wait_card(canvas, view, snapshot),
    )


def _open_card(canvas: Canvas, columns: Sequence[Column[Open]], now: Open) -> Card:
    lines = [f"most {max(it.all for it in chain([now], *columns)):,}"]
    if now.unobserved or now.unknown:
        lines.append(f"{now.unobserved:,} unobserved, {now.unknown:,} unknown")
    return Card("Open tasks", Fact(f"{now.all:,}"), tuple(lines), canvas.open(_open_words(now).words, columns))


def _open_words(now: Open) -> Fact:
    parts = [f"{now.all:,}"]
    if now.unobserved:
        parts.append(f"{now.unobserved:,} unobserved")
    if now.unknown:
        parts.append(f"{now.unknown:,} unknown")
    return Fact(", ".join(parts))


def _success_picture(canvas: Canvas, view: Timeline, told: Told) -> Figure:
    shares = view.rolling(lambda done: done.success)
    return canvas.line("Share of success", told.success().words, shares, top=1.0)


def _duration_picture(canvas: Canvas, view: Timeline, told: Told) -> Figure:
    medians = view.rolling(lambda done: done.median)
    return canvas.line("Median duration of completed tasks", told.duration().words, medians)


def _wait_card(canvas: Canvas, view: Timeline, snapshot: Snapshot) -> Card:
    waits = {
        account.name: snapshot.census.at - account.oldest_due_at
        for account in snapshot.accounts
        if account.oldest_due_at is not None
    }
    longest = max(waits, key=lambda name: waits[name], default=None)
    fact = Fact("nothing waits") if longest is None else Fact(as_age(waits[longest]))
    waited = [max(column, default=None) for column in view.columns(view.slots, lambda sample: sample.waited)]
    lines = (
        *(() if longest is None else (f"account {longest}",)),
        f"longest {as_age(highest(waited, list(waits.values())))}",
    )
    return Card("Longest wait for a poll", fact, lines, canvas.line("Longest wait for a poll", fact.words, waited))


# ---- one account, one group ------------------------------------------------------------------------------------------

STRIP = {
    Answering.UP: ("good", 6),
    Answering.PARTLY: ("partly", 12),
    Answering.DOWN: ("bad", ROW_HEIGHT),
    Answering.SUSPENDED: ("bad", ROW_HEIGHT),
    Answering.IDLE: ("idle", 2),
    Answering.UNKNOWN: ("idle", 12),
}
"""How each state looks: by its height, too, for whoever does not see the colours."""


def _account(view: Timeline, name: str) -> AccountTrend:
    samples = view.columns(view.slots, lambda sample: sample.accounts.get(name))
    states = [column[-1].answering if column else None for column in samples]
    shades = dict.fromkeys(STRIP.values())
    answers = figure(
        "Answers",
        _answers(chain.from_iterable(samples), view.interval),
        columns=view.slots,
        height=ROW_HEIGHT,
        layers=[
            block(
                kind,
                [state is not None and STRIP[state] == (kind, high) for state in states],
                above=high,
                base=ROW_HEIGHT,
            )
            for kind, high in shades
        ],
    )
    return AccountTrend(answers, _requests(view, name, [bool(column) for column in samples]))


def _answers(samples: Iterable[AccountSample], interval: float) -> str:
    """How long it was in which state, the longest first."""
    counts = Counter(f"{it.answering} ({it.reason})" if it.reason else str(it.answering) for it in samples)
    return ", ".join(f"{words} {about(count * interval)}" for words, count in counts.most_common())


def _requests(view: Timeline, name: str, seen: Sequence[bool]) -> Figure:
    def asked(sample: Sample) -> tuple[Asked, float] | None:
        known = sample.accounts[name].asked if name in sample.accounts else None
        return (known, sample.seconds) if known and sample.seconds else None

    columns = view.columns(view.slots, asked)
    answered = [_per_minute([(it.requests - it.failures, seconds) for it, seconds in column]) for column in columns]
    failed = [_per_minute([(it.failures, seconds) for it, seconds in column]) for column in columns]
    latest = [it for sample in view.latest if (it := asked(sample))]
    rate = _per_minute([(it.requests, seconds) for it, seconds in latest])
    words = "not known yet"
    if rate is not None:
        requests, failures = sum(it.requests for it, _ in latest), sum(it.failures for it, _ in latest)
        words = f"{as_number(rate)} per minute, {failures:,.0f} of {requests:,.0f} failed"
    canvas = Canvas([False] * view.slots, seen, ROW_HEIGHT)
    return canvas.mirrored("Requests", words, answered, failed)


def _per_minute(parts: Sequence[tuple[float, float]]) -> float | None:
    """Amounts, each of so many seconds, as one of a minute."""
    return sum(amount for amount, _ in parts) * 60 / sum(seconds for _, seconds in parts) if parts else None


def _group(view: Timeline, name: str, account: str, now: Open) -> GroupTrend:
    count = min(view.slots, ROW_COLUMNS)

    def group(sample: Sample) -> tuple[GroupSample, float] | None:
        return (sample.groups[name], sample.seconds) if name in sample.groups else None

    def is_blind(sample: Sample) -> bool:
        known = sample.accounts.get(account)
        return known is not None and known.answering.is_blind

    columns = view.columns(count, group)
    canvas = Canvas(
        [any(column) for column in view.columns(count, is_blind)], [bool(column) for column in columns], ROW_HEIGHT
    )
    told = Told(
        done_in(it for sample in view.latest if (it := group(sample))),
        done_in(chain.from_iterable(columns)),
        is_idle=not now.all,
        is_blind=bool(view.samples) and is_blind(view.samples[-1]),
    )
    opened = [tuple(sample.open for sample, _ in column) for column in columns]
    return GroupTrend(
        name=name,
        open=_open_words(now),
        open_picture=canvas.open(_open_words(now).words, opened),
        ended=told.rate(),
        ended_picture=canvas.ended("Ended tasks", told.rate().words, [done_in(column) for column in columns]),
        success=told.success(),
        success_before=told.success_before(),
        duration=told.duration(),
        credits=told.credits(),
    )
