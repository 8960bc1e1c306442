"""What other exporters have registered and given up: a ledger in memory that says so, and the real way in."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.intake.intake import Intake, Memory
from exporter.ledger.ledger import HINTED, LedgerError
from exporter.registration.others import LOOK_SECONDS, OthersRegistrations
from exporter.registration.registrar import FullError, Registrar, Result
from exporter.registration.registry import Registry
from exporter.settings.model import AccountSettings, ApiConfigSettings, GroupSettings, Settings
from exporter.settings.reload import CurrentSettings
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration
from exporter.tasks.tracker import Tracker
from tests.polling.conftest import AnyLabels, NoMemory
from tests.support.fake_clock import FakeClock

MOST = 5

SETTINGS = Settings(
    accounts=(AccountSettings("blue"), AccountSettings("green")),
    task_groups=(
        GroupSettings("renders", "blue", api_config=ApiConfigSettings(max_tasks=MOST)),
        GroupSettings("clips", "green", api_config=ApiConfigSettings()),
    ),
)


def registered(task_id: str, *, group: str = "renders", account: str = "blue", model: str = "") -> Registration:
    return Registration(group, TaskRef(account, task_id), 0.0, model=model)


class Books:
    """The registrations as a shared ledger has them, each change under the next version of its account."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, int, Registration, bool]] = []
        self.fault: LedgerError | None = None
        self.damaged: set[str] = set()
        self.asked = 0

    def take(self, *registrations: Registration, is_gone: bool = False) -> None:
        for each in registrations:
            account = each.ref.account
            self.changes.append((account, self.versions.get(account, 0) + 1, each, is_gone))

    @property
    def versions(self) -> dict[str, int]:
        return {account: version for account, version, _, _ in self.changes}

    async def registration_versions(self) -> Mapping[str, int]:
        if self.fault:
            raise self.fault
        return self.versions

    async def registrations_since(
        self, account: str, version: int
    ) -> tuple[Sequence[Registration], Sequence[Registration]]:
        self.asked += 1
        if account in self.damaged:
            raise LedgerError(f"a row of {account} cannot be read")
        latest = {
            each.ref: (each, is_gone) for name, at, each, is_gone in self.changes if name == account and at > version
        }
        return [each for each, gone in latest.values() if not gone], [each for each, gone in latest.values() if gone]

    async def register(self, new: Sequence[Registration], _items: Sequence[Item]) -> Memory:
        self.take(*new)
        return {}

    async def unregister(self, gone: Sequence[Registration]) -> None:
        self.take(*gone, is_gone=True)


class Rig:
    """A replica that follows blue."""

    def __init__(self) -> None:
        self.clock, self.books, self.registry = FakeClock(), Books(), Registry()
        self.lines = CapturingLogger()
        self.hints: list[str] = []
        self.tracker = Tracker(Rules())
        log = structlog.wrap_logger(self.lines, processors=[])
        intake = Intake(self.tracker, ledger=NoMemory(), bounds=AnyLabels(), clock=self.clock, log=log)
        settings = CurrentSettings(SETTINGS)
        self.others = OthersRegistrations(
            settings=settings,
            registry=self.registry,
            intake=intake,
            ledger=self.books,
            follows=lambda account: account == "blue",
            hinted=lambda ref: self.hints.append(str(ref)),
            clock=self.clock,
            log=log,
        )
        self.registrar = Registrar(
            settings=settings,
            registry=self.registry,
            intake=intake,
            tracker=self.tracker,
            ledger=self.books,
            hurry=lambda _task: None,
            follows=lambda account: account == "blue",
            pass_on=lambda _group, _ref: None,
            refused=lambda _group, _mechanism: None,
            catch_up=self.others.catch_up,
            clock=self.clock,
            log=log,
        )

    async def register(self, *registrations: Registration) -> list[Result]:
        """What this replica answers to whoever registers these, with nobody looking at the ledger meanwhile."""
        async with serving(self.registrar):
            return await self.registrar.register(registrations)

    async def run(self) -> None:
        running = asyncio.create_task(self.others.run())
        await self.clock.advance(2 * LOOK_SECONDS)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def events(self) -> list[str]:
        return [call.kwargs["event"] for call in self.lines.calls]


@asynccontextmanager
async def serving(registrar: Registrar) -> AsyncIterator[None]:
    running = asyncio.create_task(registrar.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_what_another_took_is_followed_by_the_owner_alone(rig: Rig) -> None:
    rig.books.take(registered("t1"), registered("t2", group="clips", account="green"))
    await rig.run()

    assert rig.tracker.is_followed(TaskRef("blue", "t1"))
    assert not rig.tracker.is_followed(TaskRef("green", "t2"))
    assert rig.registry.keeps(TaskRef("green", "t2")), "it is known all the same: it takes a place of its group"


async def test_what_another_gave_up_is_followed_no_more(rig: Rig) -> None:
    rig.books.take(registered("t1"), registered("t2"))
    await rig.run()
    rig.books.take(registered("t1"), is_gone=True)
    await rig.run()

    assert not rig.tracker.is_followed(TaskRef("blue", "t1"))
    assert rig.tracker.is_followed(TaskRef("blue", "t2"))
    assert not rig.registry.keeps(TaskRef("blue", "t1"))


async def test_what_was_given_up_and_taken_again_says_what_it_says_now(rig: Rig) -> None:
    rig.books.take(registered("t1", model="sora-2"))
    await rig.run()
    rig.books.take(registered("t1"), is_gone=True)
    rig.books.take(registered("t1", model="veo"))
    await rig.run()

    task = rig.tracker.find(TaskRef("blue", "t1"))
    assert task is not None
    assert task.labels.model == "veo"


async def test_what_another_has_just_given_up_is_registered_anew(rig: Rig) -> None:
    rig.books.take(registered("t1"))
    await rig.run()
    rig.books.take(registered("t1"), is_gone=True)

    assert await rig.register(registered("t1")) == [Result.REGISTERED]
    await rig.run()
    assert rig.tracker.is_followed(TaskRef("blue", "t1")), "who was told that it is registered relies on that"


async def test_what_another_has_just_taken_has_its_place(rig: Rig) -> None:
    rig.books.take(*(registered(f"t{number}") for number in range(MOST)))

    assert await rig.register(registered("t0")) == [Result.ALREADY_REGISTERED]
    with pytest.raises(FullError):
        await rig.register(registered("more"))


async def test_what_another_has_just_taken_is_known_to_whoever_asks(rig: Rig) -> None:
    rig.books.take(registered("t1"))
    async with serving(rig.registrar):
        await rig.registrar.catch_up()

    assert rig.registrar.naming([TaskRef("blue", "t1")]) == [registered("t1")]


async def test_nothing_is_registered_where_the_ledger_does_not_say_what_others_did(rig: Rig) -> None:
    rig.books.fault = LedgerError("gone")
    with pytest.raises(LedgerError):
        await rig.register(registered("t1"))
    assert not rig.registry.keeps(TaskRef("blue", "t1"))


async def test_where_nothing_has_changed_nothing_is_read(rig: Rig) -> None:
    rig.books.take(registered("t1"))
    await rig.run()
    asked = rig.books.asked
    await rig.run()

    assert rig.books.asked == asked == 1


async def test_a_ledger_that_is_away_is_told_of_once_and_asked_again(rig: Rig) -> None:
    rig.books.take(registered("t1"))
    rig.books.fault = LedgerError("the server is away")
    await rig.run()
    assert rig.events() == ["registrations_not_read"]

    rig.books.fault = None
    await rig.run()
    assert rig.tracker.is_followed(TaskRef("blue", "t1"))


async def test_an_account_that_cannot_be_read_holds_up_no_other(rig: Rig) -> None:
    rig.books.damaged = {"green"}
    rig.books.take(registered("t1", group="clips", account="green"), registered("t2"))
    await rig.run()
    assert rig.tracker.is_followed(TaskRef("blue", "t2"))
    rig.books.take(registered("t2", group=HINTED), is_gone=True)
    await rig.run()
    assert rig.hints == ["t2"]

    rig.books.damaged = set()
    await rig.run()
    assert rig.registry.keeps(TaskRef("green", "t1"))


async def test_a_group_that_is_not_configured_is_passed_over(rig: Rig) -> None:
    rig.books.take(registered("t1", group="of yesterday"), registered("t2"))
    await rig.run()

    assert not rig.tracker.is_followed(TaskRef("blue", "t1"))
    assert rig.tracker.is_followed(TaskRef("blue", "t2"))


async def test_a_hint_gives_nothing_up_and_is_heard_once(rig: Rig) -> None:
    rig.books.take(registered("t1"))
    await rig.run()
    rig.books.take(registered("t1", group=HINTED), is_gone=True)
    await rig.run()
    await rig.run()

    assert rig.tracker.is_followed(TaskRef("blue", "t1"))
    assert rig.hints == [str(TaskRef("blue", "t1"))]


async def test_a_hint_for_an_account_that_another_follows_is_passed_over(rig: Rig) -> None:
    await rig.run()
    rig.books.take(registered("t2", group=HINTED, account="green"), is_gone=True)
    await rig.run()

    assert rig.hints == []


async def test_hints_from_before_the_start_are_old(rig: Rig) -> None:
    rig.books.take(registered("t1", group=HINTED), is_gone=True)
    await rig.run()

    assert rig.hints == []
