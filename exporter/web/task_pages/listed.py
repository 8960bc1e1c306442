"""``/tasks``, once the tasks have been gone through: what stands on it. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.metrics.snapshot import AccountView, Snapshot
from exporter.polling.poller import Outlook
from exporter.service.elsewhere import Owner
from exporter.settings.model import Settings
from exporter.tasks.observation import Status
from exporter.tasks.view import TaskView
from exporter.web.others import OtherAccount, other_accounts
from exporter.web.task_pages.query import (
    MOST_RANKED,
    OPEN,
    PAGE_SIZES,
    STATES,
    Order,
    Sort,
    TasksQuery,
)
from exporter.web.task_pages.rows import TaskRow, row
from exporter.web.wording import as_utc

MOST_SUGGESTED = 200
"""Names that a field of the form suggests; whatever else there is may be typed."""

LEAST_REFRESH = 5
"""Seconds between two looks of a page that refreshes itself."""

WORK_SHARE = 20
"""It looks again after so many times what the last look took: a million tasks are looked through for seconds."""

COLUMNS = {
    Order.TASK: "Task",
    Order.STATUS: "Status",
    Order.GROUP: "Group",
    Order.MODEL: "Model",
    Order.PROGRESS: "Age, of its ETA",
    Order.CREDITS: "Credits",
    Order.ERROR: "Error",
    Order.ASKED: "Last answer",
    Order.NEXT: "Next poll",
}

SORTS = {
    "-submitted": "newest first",
    "submitted": "oldest first",
    "-progress": "most over its ETA first",
    "-ended": "ended last",
    "-credits": "most credits first",
    "asked": "answered longest ago first",
    "next": "next poll first",
    "error_code": "by error code",
    "group": "by group",
    "model": "by model",
    "status": "by status",
    "task": "by name",
}


@dataclass(slots=True)
class Seen:
    """What was counted while the tasks were gone through. ``counts`` and ``overdue`` are whatever the status asked for;
    ``total`` is of those that are listed."""

    counts: Counter[Status] = field(default_factory=Counter)
    overdue: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Chip:
    """A number of tasks, and a link to them."""

    words: str
    count: int
    link: str
    is_chosen: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column; ``order`` is as ``aria-sort`` says it, empty where the table is not sorted by it."""

    title: str
    link: str
    order: str
    by: Order


@dataclass(frozen=True, slots=True)
class Choice:
    """One that may be chosen in the form."""

    value: str
    words: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksPage:
    """Everything on the page. ``held`` are the accounts that nothing is asked for now."""

    query: TasksQuery
    now: str
    refresh: int
    held: Sequence[AccountView]
    elsewhere: Sequence[OtherAccount]
    chips: Sequence[Chip]
    columns: Sequence[Column]
    rows: Sequence[TaskRow]
    total: int
    first: int
    previous: str
    next: str
    has_too_many: bool
    shows_account: bool
    states: Sequence[Choice]
    sorts: Sequence[Choice]
    sizes: Sequence[Choice]
    suggested: Mapping[str, Sequence[str]]


def tasks_page(
    query: TasksQuery,
    tasks: Sequence[tuple[TaskView, Outlook | None, bool]],
    seen: Seen,
    *,
    snapshot: Snapshot,
    settings: Settings,
    elsewhere: Mapping[str, Owner | None],
    took: float,
) -> TasksPage:
    """The page of one instant; ``tasks`` are its own, how their polling goes on, and whether they are overdue."""
    now = snapshot.census.at
    held = {account.name: account.suspended for account in snapshot.accounts if account.suspended}
    several = len(settings.accounts) > 1
    rows = [
        row(
            task,
            outlook,
            now=now,
            is_overdue=is_overdue,
            held=held.get(task.labels.account),
            account=task.labels.account if several else "",
        )
        for task, outlook, is_overdue in tasks
    ]
    before = (query.page - 1) * query.size
    reachable = min(seen.total, MOST_RANKED)
    return TasksPage(
        query=query,
        now=as_utc(now),
        refresh=max(LEAST_REFRESH, math.ceil(took * WORK_SHARE)),
        held=[account for account in snapshot.accounts if account.suspended],
        elsewhere=_elsewhere(query, elsewhere),
        chips=_chips(query, seen),
        columns=[_column(query, by, title) for by, title in COLUMNS.items()],
        rows=rows,
        total=seen.total,
        first=before + 1,
        previous=query.at(query.page - 1).link if query.page > 1 else "",
        next=query.at(query.page + 1).link if before + query.size < reachable else "",
        has_too_many=seen.total > MOST_RANKED,
        shows_account=several,
        states=_choices({"": "any status", **{state: state.replace("_", " ") for state in STATES}}, query.status),
        sorts=_choices(_sorts(query.sort), str(query.sort)),
        sizes=_choices({str(size): str(size) for size in PAGE_SIZES}, str(query.size)),
        suggested=_suggested(snapshot, settings),
    )


def _elsewhere(query: TasksQuery, accounts: Mapping[str, Owner | None]) -> Sequence[OtherAccount]:
    """The accounts whose tasks would be on the page if they were followed here; each leads to the same page there."""
    asked = {name: owner for name, owner in accounts.items() if query.account in ("", name)}
    return other_accounts(asked, lambda name: replace(query, account=name, page=1).link)


def _chips(query: TasksQuery, seen: Seen) -> Sequence[Chip]:
    """All, the open and the overdue ones, then every status that there is, as one would look for trouble."""
    asked = replace(query, is_overdue=False)
    open_ = sum(count for status, count in seen.counts.items() if not status.is_terminal)
    counts: dict[str, int] = {"": seen.counts.total(), OPEN: open_}
    counts |= {status: seen.counts[status] for status in Status if seen.counts[status] or query.status == status}
    chips = [
        Chip(
            words=status.replace("_", " ") or "all",
            count=count,
            link=asked.having(status).link,
            is_chosen=not query.is_overdue and query.status == status,
            kind=status or "all",
        )
        for status, count in counts.items()
    ]
    overdue = replace(asked.having(""), is_overdue=True)
    if seen.overdue or query.is_overdue:
        chips.insert(2, Chip("overdue", seen.overdue, overdue.link, query.is_overdue, "overdue"))
    return chips


def _column(query: TasksQuery, by: Order, title: str) -> Column:
    order = ""
    if by is query.sort.by:
        order = "descending" if query.sort.is_reversed else "ascending"
    return Column(title, query.sorted_by(by).link, order, by)


def _sorts(sort: Sort) -> Mapping[str, str]:
    """The usual orders, and the one that is asked for."""
    if str(sort) in SORTS:
        return SORTS
    title = COLUMNS.get(sort.by, sort.by.value).lower()
    return {**SORTS, str(sort): f"by {title}{', the other way round' if sort.is_reversed else ''}"}


def _choices(words: Mapping[str, str], chosen: str) -> Sequence[Choice]:
    return [Choice(value, said, value == chosen) for value, said in words.items()]


def _suggested(snapshot: Snapshot, settings: Settings) -> Mapping[str, Sequence[str]]:
    """Names to choose from, by the field of the form."""
    labels = {*snapshot.known, *(labels for labels, _ in snapshot.census.counts)}
    return {
        "account": _some(account.name for account in settings.accounts),
        "group": _some(group.name for group in settings.task_groups),
        "model": _some({each.model for each in labels} - {""}),
    }


def _some(names: Iterable[str]) -> Sequence[str]:
    return sorted(names)[:MOST_SUGGESTED]
