"""An exporter that is in whatever state a test of the web needs."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.accounting.series import Series
from exporter.clock import Clock
from exporter.dispatcher.account import Account
from exporter.intake.answers import LastAnswer
from exporter.logs import Secrets
from exporter.metrics.families.own import Credential
from exporter.metrics.history import Recent
from exporter.metrics.snapshot import BuildView, Snapshot
from exporter.polling.poller import Outlook
from exporter.registration.registrar import Result
from exporter.service.elsewhere import KeptTask, Owner
from exporter.service.keyring import Keyring
from exporter.settings.model import AccountSettings, GroupSettings, Settings
from exporter.settings.reload import Changes, Difference
from exporter.tasks.census import Census
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration, TaskLabels
from exporter.tasks.state import Submission, TaskState
from exporter.tasks.view import TaskView
from tests.support.fake_clock import FakeClock

NOW = 1_780_000_000.0

SETTINGS = Settings(
    accounts=(AccountSettings("default", "https://api.example", api_key_env="KEY"),),
    task_groups=(GroupSettings("renders", "default", "sora-2"),),
)


def census(**parts: object) -> Census:
    """A census of nothing, but for the parts given."""
    nothing: dict[str, object] = {"at": NOW, "counts": {}, "outstanding_credits": {}, "overdue": {}, "oldest": {}}
    return Census(**{**nothing, **parts})  # type: ignore[arg-type] # each part has the type of its field


def snapshot(**parts: object) -> Snapshot:
    """A snapshot of nothing, but for the parts given."""
    nothing: dict[str, object] = {"census": census(), "build": BuildView("1.2.3", "abc123", "3.13.1")}
    return Snapshot(**{**nothing, **parts})  # type: ignore[arg-type] # likewise


def task_view(number: int) -> TaskView:
    """A task of the group renders that nobody has asked about yet: ``t0``, ``t1`` and so on."""
    labels = TaskLabels("default", "renders", "sora-2")
    ref = TaskRef("default", task_id=f"t{number}")
    state = TaskState(ref, first_seen_at=NOW, submitted_at=NOW, submission=Submission.FIRST_SIGHT)
    return TaskView(number, labels, state, sources=("renders/static/0",))


@dataclass
class FakeTasks:
    """So many followed tasks, each made by ``view`` when it is read, but for those that are ``gone``.

    ``reads`` are the lengths of the slices that were read; ``after_read`` is called with each of them.
    """

    count: int = 0
    view: Callable[[int], TaskView] = task_view
    gone: set[int] = field(default_factory=set)
    reads: list[int] = field(default_factory=list)
    after_read: Callable[[Sequence[TaskView]], None] = lambda _: None

    def find(self, ref: TaskRef) -> TaskView | None:
        number = (ref.task_id or "").removeprefix("t")
        followed = number.isdecimal() and int(number) < self.count and int(number) not in self.gone
        return self.view(int(number)) if followed else None

    def views(self, *, after: int = -1, limit: int) -> Sequence[TaskView]:
        views: list[TaskView] = []
        for number in range(after + 1, self.count):
            if len(views) == limit:
                break
            if number not in self.gone:
                views.append(self.view(number))
        self.reads.append(len(views))
        self.after_read(views)
        return views


@dataclass
class FakeRegistrations:
    """Registers whatever comes, once ``open`` is set; a ``refusal`` is raised instead. ``hints`` are those taken."""

    refusal: Exception | None = None
    made: list[Registration] = field(default_factory=list)
    hints: list[TaskRef] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def register(self, registrations: Sequence[Registration]) -> Sequence[Result]:
        await self.open.wait()
        if self.refusal is not None:
            raise self.refusal
        self.made.extend(registrations)
        return [Result.REGISTERED for _ in registrations]

    async def unregister(self, registrations: Sequence[Registration]) -> None:
        self.made = [registration for registration in self.made if registration not in registrations]

    async def catch_up(self) -> None:
        pass

    def naming(self, refs: Sequence[TaskRef]) -> Sequence[Registration]:
        return [registration for registration in self.made if registration.ref in refs]

    def hint(self, group: GroupSettings, ref: TaskRef) -> None:
        self.hints.append(ref)


@dataclass
class FakeAccounts:
    """No account at all; ``outlooks`` are the tasks' by their numbers."""

    outlooks: dict[int, Outlook] = field(default_factory=dict)

    def account(self, name: str) -> Account:
        raise KeyError(name)

    def may_ask(self, name: str) -> bool:
        return True

    def outlook(self, account: str, number: int) -> Outlook | None:
        return self.outlooks.get(number)


@dataclass
class FakeElsewhere:
    """What other exporters follow: nothing, unless a test says so; a ``refusal`` is raised instead of a look-up."""

    owners: dict[str, Owner | None] = field(default_factory=dict)
    kept: list[KeptTask] = field(default_factory=list)
    refusal: Exception | None = None
    looked_up: list[TaskRef] = field(default_factory=list)

    def accounts(self) -> Mapping[str, Owner | None]:
        return self.owners

    async def find(self, refs: Sequence[TaskRef]) -> Sequence[KeptTask]:
        self.looked_up += refs
        if self.refusal is not None:
            raise self.refusal
        return [kept for kept in self.kept if set(kept.task.state.ref.each()) & set(refs)]


@dataclass
class FakeExporter:
    """``exporter.web.interfaces.RunningExporter`` out of plain attributes.

    ``reloads`` are each reload's dry_run, ``announcements`` the series that scrapes have shown at 0.
    """

    settings: Settings = SETTINGS
    faults: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()
    shown: Callable[[], Snapshot] = snapshot
    refusal: Exception | None = None
    reloads: list[bool] = field(default_factory=list)
    announcements: list[Series] = field(default_factory=list)
    clock: Clock = field(default_factory=FakeClock)
    tasks: FakeTasks = field(default_factory=FakeTasks)
    registrations: FakeRegistrations = field(default_factory=FakeRegistrations)
    answers: dict[int, LastAnswer] = field(default_factory=dict)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    elsewhere: FakeElsewhere = field(default_factory=FakeElsewhere)
    recent: Recent = field(default_factory=Recent)
    secrets: Keyring = field(default_factory=lambda: Keyring(Secrets(), {}))
    refused: list[Credential] = field(default_factory=list)

    def snapshot(self, scrape_timeout: float = 0.0) -> Snapshot:
        return self.shown()

    def announced(self, series: Sequence[Series]) -> None:
        self.announcements += series

    def credentials_refused(self, kind: Credential) -> None:
        self.refused.append(kind)

    async def reload(self, *, dry_run: bool = False) -> Difference:
        self.reloads.append(dry_run)
        if self.refusal is not None:
            raise self.refusal
        return Difference(accounts=Changes(kept=("default",)), groups=Changes(added=("renders",)))
