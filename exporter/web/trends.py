"""The last hour as pictures and words, for whoever has no Grafana at hand. Pure.

What is not known is said to be so: while an account does not answer, its share of success is not known, whatever ended
before, and the pictures are grey there. Where nothing was sampled, they are empty.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from exporter.metrics.history import AccountSample, Answering, GroupSample, Recent, Sample
from exporter.metrics.readings import Ended, Open, added, open_tasks, quantile
from exporter.metrics.snapshot import Snapshot
from exporter.web.figures import Figure, Layer, Values, area, block, figure, floor, highest, line
from exporter.web.wording import as_age, as_number, as_share, as_utc

WINDOWS = (600.0, 1200.0, 1800.0, 3600.0)
"""What the pictures may span, in seconds: the smallest that holds everything, so that a new start is no sliver."""

NOW = 600.0
"""What is said of now is of so many last seconds."""

CARD_HEIGHT, ROW_HEIGHT = 48, 24
ROW_COLUMNS = 60

T = TypeVar("T")
Column = tuple[T, ...]
"""The samples of one column; none where none was taken."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something said in a few words; ``is_known`` is false of what cannot be known at the moment, or is not there."""

    words: str
    is_known: bool = True


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
    """Everything that is drawn. ``left_out`` groups have no pictures of their own."""

    title: str
    caption: str
    collecting: str
    now: str
    cards: tuple[Card, ...]
    accounts: Mapping[str, AccountTrend]
    groups: tuple[GroupTrend, ...]
    left_out: int


def trends(recent: Recent, snapshot: Snapshot) -> Trends:
    """What is drawn at this instant."""
    view, opened = _View(recent), open_tasks(snapshot)
    accounts_of = {labels.group: labels.account for labels in snapshot.known}
    last = view.samples[-1] if view.samples else None
    drawn = [name for name in opened if last and name in last.groups]
    return Trends(
        title=f"Last {_window(view.seconds)}",
        caption=f"{as_utc(snapshot.census.at - view.seconds)} to now, a point every {as_age(recent.interval)}",
        collecting="" if recent.age >= WINDOWS[-1] - recent.interval else f"collecting: {as_age(recent.age)} so far",
        now=_window(min(NOW, view.seconds)),
        cards=_cards(view, opened, snapshot),
        accounts={
            account.name: _account(view, account.name)
            for account in snapshot.accounts
            if last and account.name in last.accounts
        },
        groups=tuple(_group(view, name, accounts_of[name], opened[name]) for name in drawn),
        left_out=len(opened) - len(drawn),
    )


def _window(seconds: float) -> str:
    return "hour" if seconds == WINDOWS[-1] else f"{seconds / 60:.0f} minutes"


# ---- samples in columns ----------------------------------------------------------------------------------------------


class _View:
    """The samples within the window, by time."""

    def __init__(self, recent: Recent) -> None:
        self.seconds = next((window for window in WINDOWS if window > recent.age), WINDOWS[-1])
        self.slots = round(self.seconds / recent.interval)
        self._first = recent.slot - self.slots + 1
        self.samples = [sample for sample in recent.samples if sample.slot >= self._first]
        self.latest = [sample for sample in self.samples if sample.slot > recent.slot - NOW / recent.interval]
        self.interval = recent.interval

    def columns(self, count: int, pick: Callable[[Sample], T | None]) -> list[Column[T]]:
        """What is picked of the samples of each column, oldest first."""
        columns: list[list[T]] = [[] for _ in range(count)]
        for sample in self.samples:
            if (picked := pick(sample)) is not None:
                columns[(sample.slot - self._first) * count // self.slots].append(picked)
        return [tuple(column) for column in columns]

    def rolling(self, number: Callable[[Sequence[Sample]], float | None]) -> Values:
        """A number of the time that ends with each slot and is as long as what is called now."""
        values: list[float | None] = [None] * self.slots
        length = NOW / self.interval
        for at, sample in enumerate(self.samples):
            until_now = [it for it in self.samples[: at + 1] if it.slot > sample.slot - length]
            values[sample.slot - self._first] = None if _is_blind(sample) else number(until_now)
        return values


@dataclass(frozen=True, slots=True)
class _Done:
    """What ended in so many seconds."""

    ended: Ended
    seconds: float

    @property
    def decided(self) -> float:
        return self.ended.completed + self.ended.failed

    def per(self, seconds: float, amount: float) -> float:
        """An amount of these seconds as one of others."""
        return amount * seconds / self.seconds


def _done(samples: Iterable[tuple[GroupSample, float]]) -> _Done | None:
    """What ended in all these samples; None where none of them can tell."""
    known = [(sample.ended, seconds) for sample, seconds in samples if sample.ended is not None and seconds > 0]
    return _Done(added([ended for ended, _ in known]), sum(seconds for _, seconds in known)) if known else None


def _totals(samples: Iterable[Sample]) -> Iterable[tuple[GroupSample, float]]:
    return ((sample.total, sample.seconds) for sample in samples)


def _rates(done: Sequence[_Done | None], amount: Callable[[Ended], float], per: float) -> Values:
    return [it.per(per, amount(it.ended)) if it else None for it in done]


def _is_blind(sample: Sample) -> bool:
    """Whether no account answered of those that there was anything to ask of."""
    asked = [account.answering for account in sample.accounts.values() if account.answering is not Answering.IDLE]
    return bool(asked) and all(answering.is_blind for answering in asked)


# ---- everything together ---------------------------------------------------------------------------------------------


def _cards(view: _View, opened: Mapping[str, Open], snapshot: Snapshot) -> tuple[Card, ...]:
    blind = [any(column) for column in view.columns(view.slots, _is_blind)]
    seen = [bool(column) for column in view.columns(view.slots, lambda sample: sample)]
    canvas = _Canvas(blind, seen, CARD_HEIGHT)
    total = Open(
        sum(it.known for it in opened.values()),
        sum(it.unobserved for it in opened.values()),
        sum(it.unknown for it in opened.values()),
    )
    is_blind = bool(view.samples) and _is_blind(view.samples[-1])
    done = [_done(column) for column in view.columns(view.slots, lambda it: (it.total, it.seconds))]
    now, before = _done(_totals(view.latest)), _done(_totals(view.samples))
    told = _Told(now, before, is_idle=not total.all, is_blind=is_blind)
    return (
        _open_card(canvas, view.columns(view.slots, lambda sample: sample.total.open), total),
        Card("Ended, per minute", told.rate(), told.outcomes(), canvas.ended("Ended tasks", told.rate().words, done)),
        Card("Success", told.success(), told.success_lines(), _success_picture(canvas, view, told)),
        Card("Duration, median", told.duration(), told.duration_lines(), _duration_picture(canvas, view, told)),
        Card("Credits, per hour", told.credits(), told.credits_lines(), canvas.credits(told.credits().words, done)),
        _wait_card(canvas, view, snapshot),
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """Numbers in words: of now, and of the whole window."""

    now: _Done | None
    before: _Done | None
    is_idle: bool
    is_blind: bool

    def rate(self) -> Fact:
        if self.is_blind:
            return Fact("not known", is_known=False)
        return Fact(as_number(self.now.per(60, self.now.ended.all))) if self.now else NOT_YET

    def outcomes(self) -> tuple[str, ...]:
        if not self.now:
            return ()
        ended = self.now.ended
        lines = [f"{ended.completed:,.0f} completed, {ended.failed:,.0f} failed"]
        return (*lines, f"{ended.other:,.0f} cancelled or not found") if ended.other else (*lines,)

    def success(self) -> Fact:
        if self.is_blind:
            return Fact("not known", is_known=False)
        if not self.now:
            return NOT_YET
        if not self.now.decided:
            return Fact("idle" if self.is_idle else "nothing ended", is_known=False)
        return Fact(as_share(self.now.ended.completed, self.now.decided))

    def success_lines(self) -> tuple[str, ...]:
        counted = (f"of {self.now.decided:,.0f} that ended",) if self.now and self.now.decided else ()
        return (*counted, self.success_before()) if self.success_before() else counted

    def success_before(self) -> str:
        """That of the whole window, where it spans more than what is called now."""
        if not self.before or not self.before.decided or self.before.seconds <= NOW:
            return ""
        return f"{as_share(self.before.ended.completed, self.before.decided)} in {_span(self.before.seconds)}"

    def duration(self) -> Fact:
        if self.is_blind:
            return Fact("not known", is_known=False)
        median = _median(self.now)
        return Fact("none completed", is_known=False) if median is None else Fact(_seconds(median))

    def duration_lines(self) -> tuple[str, ...]:
        median = _median(self.before)
        if self.before is None or median is None or self.before.seconds <= NOW:
            return ()
        return (f"{_seconds(median)} in {_span(self.before.seconds)}",)

    def credits(self) -> Fact:
        if self.is_blind:
            return Fact("not known", is_known=False)
        return Fact(as_number(self.now.per(3600, self.now.ended.credits))) if self.now else NOT_YET

    def credits_lines(self) -> tuple[str, ...]:
        if not self.before:
            return ()
        return (f"{as_number(self.before.ended.credits)} used in {_span(self.before.seconds)}",)


NOT_YET = Fact("not known yet", is_known=False)


def _median(done: _Done | None) -> float | None:
    return quantile(0.5, done.ended.durations) if done else None


def _seconds(seconds: float) -> str:
    return f"{as_number(seconds)} s" if seconds < 60 else as_age(seconds)


def _span(seconds: float) -> str:
    """About so long: samples are not taken on the dot."""
    return as_age(round(seconds / 60) * 60) if seconds > 60 else as_age(seconds)


def _open_card(canvas: "_Canvas", columns: Sequence[Column[Open]], now: Open) -> Card:
    most = highest([float(it.all) for it in chain.from_iterable(columns)])
    lines = [f"most {most:,.0f}" if columns else ""]
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


def _success_picture(canvas: "_Canvas", view: _View, told: _Told) -> Figure:
    def share(samples: Sequence[Sample]) -> float | None:
        done = _done(_totals(samples))
        return done.ended.completed / done.decided if done and done.decided else None

    return canvas.line("Share of success", told.success().words, view.rolling(share), top=1.0)


def _duration_picture(canvas: "_Canvas", view: _View, told: _Told) -> Figure:
    return canvas.line(
        "Median duration of completed tasks",
        told.duration().words,
        view.rolling(lambda samples: _median(_done(_totals(samples)))),
    )


def _wait_card(canvas: "_Canvas", view: _View, snapshot: Snapshot) -> Card:
    waits = {
        account.name: snapshot.census.at - account.oldest_due_at
        for account in snapshot.accounts
        if account.oldest_due_at is not None
    }
    longest = max(waits, key=lambda name: waits[name], default=None)
    fact = Fact("nothing waits") if longest is None else Fact(as_age(waits[longest]))
    values = [
        max((waited for waited in chain.from_iterable(column)), default=None)
        for column in view.columns(view.slots, _waits)
    ]
    lines = (*(() if longest is None else (f"account {longest}",)), f"most {as_age(highest(values))}")
    return Card("Longest wait for a poll", fact, lines, canvas.line("Longest wait for a poll", fact.words, values))


def _waits(sample: Sample) -> tuple[float, ...]:
    return (0.0, *(account.waited for account in sample.accounts.values() if account.waited is not None))


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


def _account(view: _View, name: str) -> AccountTrend:
    samples = view.columns(view.slots, lambda sample: sample.accounts.get(name))
    states = [column[-1].answering if column else None for column in samples]
    shades = dict.fromkeys(STRIP.values())
    answers = figure(
        "Answers",
        _answers(chain.from_iterable(samples), view.interval),
        columns=view.slots,
        height=ROW_HEIGHT,
        layers=[
            block(kind, [state is not None and STRIP[state] == (kind, high) for state in states], above=high, base=24)
            for kind, high in shades
        ],
    )
    return AccountTrend(answers, _requests(view, name, [bool(column) for column in samples]))


def _answers(samples: Iterable[AccountSample], interval: float) -> str:
    """How long it was in which state, the longest first."""
    counts = Counter(f"{it.answering}: {it.reason}" if it.reason else str(it.answering) for it in samples)
    return ", ".join(f"{words} {as_age(count * interval)}" for words, count in counts.most_common())


def _requests(view: _View, name: str, seen: Sequence[bool]) -> Figure:
    def asked(sample: Sample) -> tuple[float, float, float] | None:
        known = sample.accounts[name].asked if name in sample.accounts else None
        return (known.requests, known.failures, sample.seconds) if known and sample.seconds else None

    columns = view.columns(view.slots, asked)
    answered = [_per_minute(column, lambda it: it[0] - it[1]) for column in columns]
    failed = [_per_minute(column, lambda it: it[1]) for column in columns]
    latest = [it for sample in view.latest if (it := asked(sample))]
    requests, failures = sum(it[0] for it in latest), sum(it[1] for it in latest)
    rate = _per_minute(latest, lambda it: it[0])
    words = (
        "not known yet" if rate is None else f"{as_number(rate)} per minute, {failures:,.0f} of {requests:,.0f} failed"
    )
    canvas = _Canvas([False] * view.slots, seen, ROW_HEIGHT)
    return canvas.mirrored("Requests", words, answered, failed)


def _per_minute(
    parts: Sequence[tuple[float, float, float]], amount: Callable[[tuple[float, float, float]], float]
) -> float | None:
    return sum(map(amount, parts)) * 60 / sum(seconds for _, _, seconds in parts) if parts else None


def _group(view: _View, name: str, account: str, now: Open) -> GroupTrend:
    count = min(view.slots, ROW_COLUMNS)

    def group(sample: Sample) -> tuple[GroupSample, float] | None:
        return (sample.groups[name], sample.seconds) if name in sample.groups else None

    def is_blind(sample: Sample) -> bool:
        known = sample.accounts.get(account)
        return known is not None and known.answering.is_blind

    columns = view.columns(count, group)
    canvas = _Canvas(
        [any(column) for column in view.columns(count, is_blind)], [bool(column) for column in columns], ROW_HEIGHT
    )
    told = _Told(
        _done(it for sample in view.latest if (it := group(sample))),
        _done(chain.from_iterable(columns)),
        is_idle=not now.all,
        is_blind=is_blind(view.samples[-1]),
    )
    opened = [tuple(sample.open for sample, _ in column) for column in columns]
    return GroupTrend(
        name=name,
        open=_open_words(now),
        open_picture=canvas.open(_open_words(now).words, opened),
        ended=told.rate(),
        ended_picture=canvas.ended("Ended tasks", told.rate().words, [_done(column) for column in columns]),
        success=told.success(),
        success_before=told.success_before(),
        duration=told.duration(),
        credits=told.credits(),
    )


# ---- pictures --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Canvas:
    """What all pictures of one time have in common: the columns in which nobody answered, and those with a sample."""

    blind: Sequence[bool]
    seen: Sequence[bool]
    height: int

    def open(self, words: str, columns: Sequence[Column[Open]]) -> Figure:
        """Those of which something is known, and on top of them the others."""
        fullest = [max(column, key=lambda it: it.all) if column else None for column in columns]
        everything: Values = [float(it.all) if it else None for it in fullest]
        known: Values = [float(it.known) if it else None for it in fullest]
        top = highest(everything)
        return self._drawn(
            "Open tasks",
            words,
            area("unheard", everything, top=top, base=self.height, room=self.height),
            area("open", known, top=top, base=self.height, room=self.height),
        )

    def ended(self, title: str, words: str, done: Sequence[_Done | None]) -> Figure:
        """Those that completed stand on the line, with those that were lost on top; those that failed hang from it."""
        return self.mirrored(
            title,
            words,
            _rates(done, lambda ended: ended.completed, 60),
            _rates(done, lambda ended: ended.failed, 60),
            _rates(done, lambda ended: ended.completed + ended.other, 60),
        )

    def credits(self, words: str, done: Sequence[_Done | None]) -> Figure:
        values = _rates(done, lambda ended: ended.credits, 3600)
        return self._drawn(
            "Credits per hour", words, area("open", values, top=highest(values), base=self.height, room=self.height)
        )

    def line(self, title: str, words: str, values: Values, *, top: float | None = None) -> Figure:
        most = highest(values) if top is None else top
        return self._drawn(title, words, line("line", values, top=most, base=self.height, room=self.height - 1))

    def mirrored(self, title: str, words: str, good: Values, bad: Values, other: Values = ()) -> Figure:
        """One scale for both, and as much room for either as it needs."""
        up, down = highest(good, other), highest(bad)
        below = min(self.height - 4, max(4, round(self.height * down / (up + down)))) if down else 0
        base = self.height - below
        top = max(up / base, down / below if below else 0.0)  # of one unit of height
        return self._drawn(
            title,
            words,
            area("other", other, top=top * base, base=base, room=base),
            area("good", good, top=top * base, base=base, room=base),
            area("bad", bad, top=top * below, base=base, room=-below),
            base=base,
        )

    def _drawn(self, title: str, words: str, *layers: Layer, base: int | None = None) -> Figure:
        behind = block("blind", self.blind, above=self.height, base=self.height)
        under = floor(self.seen, self.height if base is None else base)
        return figure(title, words, columns=len(self.seen), height=self.height, layers=[behind, *layers, under])
