"""What the landing page says, in words: pure, from one snapshot."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporter.ledger.ledger import LedgerView
from exporter.metrics.snapshot import AccountView, BuildView, ConfigView, Snapshot
from exporter.settings.model import GroupSettings
from exporter.tasks.observation import Status
from exporter.web.times import as_age, as_utc

MODELS_SHOWN = 4


class Mood(StrEnum):
    """How good a state is; the style sheet has a colour and a sign for each."""

    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class State:
    """A state in words and its mood."""

    words: str
    mood: Mood


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, absolute and as an age."""

    utc: str
    age: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account; what is not known is None."""

    name: str
    state: State
    last_success: Moment | None
    due: int
    in_flight: int
    quota: str | None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group; ``counts`` are its tasks in the order of ``Status``."""

    name: str
    account: str
    models: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Landing:
    """Everything on the page."""

    now: str
    build: BuildView
    summary: State
    problems: tuple[str, ...]
    accounts: tuple[AccountRow, ...]
    statuses: tuple[str, ...]
    groups: tuple[GroupRow, ...]
    ledger: State
    ledger_pending: int
    ledger_commit: Moment | None
    config: State
    config_loaded: Moment


def landing(
    snapshot: Snapshot, groups: Iterable[GroupSettings], *, faults: Sequence[str], unready: Sequence[str]
) -> Landing:
    """The page of one instant."""
    now = snapshot.census.at
    accounts = tuple(_account_row(account, now) for account in snapshot.accounts)
    ledger, config = _ledger(snapshot.ledger), _config(snapshot.config)
    return Landing(
        now=as_utc(now),
        build=snapshot.build,
        summary=_summary(faults, unready, [*(account.state for account in accounts), ledger, config]),
        problems=(*faults, *unready),
        accounts=accounts,
        statuses=tuple(Status),
        groups=tuple(_group_row(group, snapshot) for group in groups),
        ledger=ledger,
        ledger_pending=snapshot.ledger.pending,
        ledger_commit=_moment(snapshot.ledger.last_commit_at, now),
        config=config,
        config_loaded=_at(snapshot.config.last_reload_success_at, now),
    )


def _summary(faults: Sequence[str], unready: Sequence[str], parts: Iterable[State]) -> State:
    """The worst first: who looks at nothing else must not miss it."""
    if faults:
        return State("unhealthy", Mood.BAD)
    troubles = sum(part.mood is Mood.BAD for part in parts)
    if troubles:
        return State(f"in trouble: {troubles} {'place' if troubles == 1 else 'places'} below", Mood.BAD)
    return State("not ready", Mood.WAITING) if unready else State("healthy and ready", Mood.GOOD)


def _ledger(ledger: LedgerView) -> State:
    return State("failing", Mood.BAD) if ledger.failing else State("working", Mood.GOOD)


def _config(config: ConfigView) -> State:
    if config.last_reload_successful:
        return State("in force", Mood.GOOD)
    return State("the last reload failed: an older one goes on", Mood.BAD)


def _account_row(account: AccountView, now: float) -> AccountRow:
    remaining = account.quota.remaining_credits
    return AccountRow(
        name=account.name,
        state=_account_state(account),
        last_success=_moment(account.last_success_at, now),
        due=account.tasks_due,
        in_flight=account.requests_in_flight,
        quota=None if remaining is None else f"{remaining:,.2f}",
    )


def _account_state(account: AccountView) -> State:
    if account.suspended:
        return State(f"suspended: {account.suspended}", Mood.BAD)
    if account.up:
        return State("up", Mood.GOOD)
    if account.last_success_at is None:
        return State("no answer yet", Mood.WAITING)
    return State("down", Mood.BAD)


def _group_row(group: GroupSettings, snapshot: Snapshot) -> GroupRow:
    counts: Counter[Status] = Counter()
    models = {labels.model for labels in snapshot.known if labels.group == group.name}
    for (labels, status), count in snapshot.census.counts.items():
        if labels.group == group.name:
            counts[status] += count
            models.add(labels.model)
    return GroupRow(group.name, group.account, _listed(models - {""}), tuple(counts[status] for status in Status))


def _listed(models: Iterable[str]) -> str:
    names = sorted(models)
    rest = len(names) - MODELS_SHOWN
    return ", ".join(names[:MODELS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _moment(at: float | None, now: float) -> Moment | None:
    return None if at is None else _at(at, now)


def _at(at: float, now: float) -> Moment:
    return Moment(as_utc(at), as_age(now - at))
