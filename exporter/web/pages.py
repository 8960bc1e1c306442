"""``/`` and ``/config``: pages for people, and the configuration as plain YAML for everything else."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from exporter.ledger.ledger import LedgerView
from exporter.metrics.history import Recent
from exporter.metrics.snapshot import AccountView, BuildView, ConfigView, Snapshot
from exporter.service.elsewhere import Owner
from exporter.settings.model import GroupSettings
from exporter.settings.redact import as_yaml
from exporter.tasks.observation import Status
from exporter.threads import in_thread
from exporter.web.api.access import Access
from exporter.web.interfaces import RunningExporter
from exporter.web.look import Look
from exporter.web.others import OtherAccount, other_accounts
from exporter.web.responses import RenderSlots, text
from exporter.web.task_pages.query import OPEN, TasksQuery
from exporter.web.trends import Trends, trends
from exporter.web.troubles import Trouble, troubles
from exporter.web.wording import Moment, Mood, State, as_utc, moment, moment_at

MODELS_SHOWN = 4


class Pages:
    """Answers people."""

    def __init__(self, exporter: RunningExporter, access: Access, slots: RenderSlots, look: Look) -> None:
        self._exporter = exporter
        self._access = access
        self._slots = slots
        self._look = look

    async def landing(self, _request: Request) -> Response:
        """What runs, and how it does."""
        async with self._slots.slot():
            exporter = self._exporter
            seen = partial(
                landing,
                exporter.snapshot(),
                exporter.settings.task_groups,
                exporter.recent,
                faults=exporter.faults,
                unready=exporter.unready,
                elsewhere=exporter.elsewhere.accounts(),
            )
            return await in_thread(lambda: self._look.page("landing.html", page=seen()))

    async def config(self, request: Request) -> Response:
        """The configuration in force, without secrets."""
        await self._access.check(request)
        async with self._slots.slot():
            shown = self._exporter.secrets.mask(await in_thread(partial(as_yaml, self._exporter.settings)))
            if "text/html" not in request.headers.get("accept", ""):
                return text(shown.rstrip("\n"), headers={"Vary": "Accept"})
            return await in_thread(partial(self._look.page, "config.html", yaml=shown))


# ---- what the landing page says, in words ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account; what is not known is None. ``link`` leads to its open tasks."""

    name: str
    link: str
    state: State
    last_success: Moment | None
    due: int
    in_flight: int
    quota: str | None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group; ``counts`` are its tasks in the order of ``Status``, each with a link to them."""

    name: str
    link: str
    account: str
    models: str
    counts: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Landing:
    """Everything on the page."""

    now: str
    build: BuildView
    summary: State
    troubles: tuple[Trouble, ...]
    accounts: tuple[AccountRow, ...]
    statuses: tuple[str, ...]
    groups: tuple[GroupRow, ...]
    ledger: State
    ledger_pending: int
    ledger_commit: Moment | None
    config: State
    config_loaded: Moment
    trends: Trends
    elsewhere: Sequence[OtherAccount]


def landing(
    snapshot: Snapshot,
    groups: Iterable[GroupSettings],
    recent: Recent,
    *,
    faults: Sequence[str],
    unready: Sequence[str],
    elsewhere: Mapping[str, Owner | None] | None = None,
) -> Landing:
    """The page of one instant."""
    now = snapshot.census.at
    accounts = tuple(_account_row(account, now) for account in snapshot.accounts)
    ledger, config = _ledger(snapshot.ledger), _config(snapshot.config)
    return Landing(
        now=as_utc(now),
        build=snapshot.build,
        summary=_summary(faults, unready, [*(account.state for account in accounts), ledger, config]),
        troubles=troubles(snapshot, recent, faults=faults, unready=unready),
        accounts=accounts,
        statuses=tuple(Status),
        groups=_group_rows(groups, snapshot),
        ledger=ledger,
        ledger_pending=snapshot.ledger.pending,
        ledger_commit=moment(snapshot.ledger.last_commit_at, now),
        config=config,
        config_loaded=moment_at(snapshot.config.last_reload_success_at, now),
        trends=trends(recent, snapshot),
        elsewhere=other_accounts(elsewhere or {}),
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
        link=TasksQuery(account=account.name, status=OPEN).link,
        state=_account_state(account),
        last_success=moment(account.last_success_at, now),
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


def _group_rows(groups: Iterable[GroupSettings], snapshot: Snapshot) -> tuple[GroupRow, ...]:
    """Every label set is looked at once, however many groups there are."""
    rows = list(groups)
    counts: Mapping[str, Counter[Status]] = {group.name: Counter() for group in rows}
    models: Mapping[str, set[str]] = {group.name: set() for group in rows}
    for labels in snapshot.known:
        if labels.group in models:
            models[labels.group].add(labels.model)
    for (labels, status), count in snapshot.census.counts.items():
        if labels.group in models:
            models[labels.group].add(labels.model)
            counts[labels.group][status] += count
    return tuple(_group_row(group, models[group.name], counts[group.name]) for group in rows)


def _group_row(group: GroupSettings, models: set[str], counts: Mapping[Status, int]) -> GroupRow:
    tasks = TasksQuery(group=group.name)
    linked = tuple((counts[status], tasks.having(status).link) for status in Status)
    return GroupRow(group.name, tasks.link, group.account, _listed(models - {""}), linked)


def _listed(models: Iterable[str]) -> str:
    names = sorted(models)
    rest = len(names) - MODELS_SHOWN
    return ", ".join(names[:MODELS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
