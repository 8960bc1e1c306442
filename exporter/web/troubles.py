"""What is wrong, and where to look: the few sentences with which the first page begins. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from exporter.metrics.history import Recent
from exporter.metrics.snapshot import AccountView, Snapshot
from exporter.tasks.observation import Status
from exporter.web.task_pages.query import OPEN, Order, Sort, TasksQuery
from exporter.web.timeline import NOW, Timeline, done_in
from exporter.web.wording import Mood, about, as_age

MOST_GROUPS = 10
"""So many groups are named of each trouble; the others are counted."""

FAILING_SHARE = 0.2
"""The least share of failed ones among the tasks of a group that is worth a sentence."""

FAILED_FLOOR = 3
"""Tasks that failed, at least: one or two are a matter of chance."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong; ``link`` leads to its tasks, and is empty where it is not a matter of tasks."""

    words: str
    mood: Mood
    link: str = ""


def troubles(
    snapshot: Snapshot, recent: Recent, *, faults: Sequence[str], unready: Sequence[str]
) -> tuple[Trouble, ...]:
    """All of them, the worst first."""
    found = [
        *(Trouble(fault, Mood.BAD) for fault in faults),
        *_of_accounts(snapshot),
        *_of_exporter(snapshot),
        *_cut(_failing(recent)),
        *_cut(_overdue(snapshot)),
        *(Trouble(missing, Mood.WAITING) for missing in unready),
    ]
    return tuple(sorted(found, key=lambda trouble: trouble.mood is not Mood.BAD))


def _of_accounts(snapshot: Snapshot) -> Iterator[Trouble]:
    now = snapshot.census.at
    for account in snapshot.accounts:
        words = _state(account, now)
        if words:
            asked = TasksQuery(account=account.name, status=OPEN, sort=Sort(Order.ASKED, is_reversed=False))
            yield Trouble(f"Account {account.name} {words}", Mood.BAD, asked.link)


def _state(account: AccountView, now: float) -> str:
    since = f", last answered {as_age(now - account.last_success_at)} ago" if account.last_success_at else ""
    if account.suspended:
        return f"is suspended: {account.suspended}{since}"
    return f"is down{since}" if not account.up and account.last_success_at is not None else ""


def _of_exporter(snapshot: Snapshot) -> Iterator[Trouble]:
    if snapshot.ledger.failing:
        yield Trouble("The ledger does not take commits: what ends now is not counted yet", Mood.BAD)
    if not snapshot.config.last_reload_successful:
        yield Trouble("The last reload failed: an older configuration goes on", Mood.BAD)


def _failing(recent: Recent) -> Iterator[Trouble]:
    latest = Timeline(recent).latest
    for name in dict.fromkeys(name for sample in latest for name in sample.groups):
        done = done_in((sample.groups[name], sample.seconds) for sample in latest if name in sample.groups)
        if done and done.ended.failed >= FAILED_FLOOR and done.ended.failed >= FAILING_SHARE * done.decided:
            asked = TasksQuery(group=name, status=Status.FAILED, sort=Sort(Order.ENDED))
            words = f"Group {name}: {done.ended.failed:,.0f} of {done.decided:,.0f} tasks failed in {about(NOW)}"
            yield Trouble(words, Mood.BAD, asked.link)


def _overdue(snapshot: Snapshot) -> Iterator[Trouble]:
    counts: Counter[str] = Counter()
    for labels, count in snapshot.census.overdue.items():
        counts[labels.group] += count
    for name, count in counts.most_common():
        asked = TasksQuery(group=name, is_overdue=True, sort=Sort(Order.PROGRESS))
        words = f"Group {name}: {count:,} {'task is' if count == 1 else 'tasks are'} overdue"
        yield Trouble(words, Mood.WAITING, asked.link)


def _cut(some: Iterable[Trouble]) -> Iterator[Trouble]:
    all_ = list(some)
    yield from all_[:MOST_GROUPS]
    if len(all_) > MOST_GROUPS:
        yield Trouble(f"and {len(all_) - MOST_GROUPS} groups more likewise", all_[0].mood, "tasks")
