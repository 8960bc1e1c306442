"""What other exporters have registered, given up and hinted at, taken in by one that shares their ledger."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import structlog

from exporter.intake.intake import Intake
from exporter.ledger.ledger import HINTED, LedgerView
from exporter.registration.others import OthersRegistrations
from exporter.registration.registry import Registry
from exporter.settings.model import AccountSettings, ApiConfigSettings, GroupSettings, Settings
from exporter.settings.reload import CurrentSettings
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration, TaskLabels
from exporter.tasks.state import TaskState
from exporter.tasks.tracker import Tracker
from tests.support.fake_clock import FakeClock

SETTINGS = Settings(
    accounts=(AccountSettings("blue", "https://api.example"),),
    task_groups=(GroupSettings("renders", "blue", api_config=ApiConfigSettings()),),
)


def registered(task: str, group: str = "renders") -> Registration:
    return Registration(group, TaskRef("blue", task), 0.0)


class Bench:
    """One that follows ``blue``, unless a test says otherwise; ``changes`` are what the ledger says, by version."""

    def __init__(self) -> None:
        self.is_full, self.view = False, LedgerView()
        self.changes: list[tuple[Registration, bool]] = []
        self.follows = True
        self.hints: list[str] = []
        self.registry, self.tracker = Registry(), Tracker(Rules())
        intake = Intake(self.tracker, ledger=self, bounds=self, clock=FakeClock(), log=structlog.get_logger())
        self.others = OthersRegistrations(
            settings=CurrentSettings(SETTINGS),
            registry=self.registry,
            intake=intake,
            ledger=self,
            follows=lambda _account: self.follows,
            hinted=lambda ref: self.hints.append(str(ref)),
            clock=FakeClock(),
            log=structlog.get_logger(),
        )

    async def registration_versions(self) -> Mapping[str, int]:
        return {"blue": len(self.changes)} if self.changes else {}

    async def registrations_since(
        self, account: str, version: int
    ) -> tuple[Sequence[Registration], Sequence[Registration]]:
        later = self.changes[version:]
        return [each for each, is_gone in later if not is_gone], [each for each, is_gone in later if is_gone]

    async def recall(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        return {}

    def admission(self) -> AbstractContextManager[Callable[[TaskLabels], TaskLabels]]:
        return nullcontext(lambda labels: labels)

    def released(self) -> None:
        pass

    def is_followed(self, task: str) -> bool:
        return self.tracker.is_followed(TaskRef("blue", task))


async def test_what_is_registered_is_followed_until_it_is_given_up() -> None:
    bench = Bench()
    bench.changes.append((registered("t"), False))
    await bench.others.catch_up()
    assert bench.is_followed("t")
    assert registered("t") in bench.registry

    bench.changes.append((registered("t"), True))
    await bench.others.catch_up()
    assert not bench.is_followed("t")
    assert registered("t") not in bench.registry


async def test_what_another_follows_is_known_and_not_followed() -> None:
    bench = Bench()
    bench.follows = False
    bench.changes += [(registered("t"), False), (registered("t", HINTED), True)]
    await bench.others.catch_up()
    await bench.others.catch_up()
    assert registered("t") in bench.registry
    assert not bench.is_followed("t")
    assert bench.hints == []


async def test_a_hint_gives_nothing_up_and_is_heard_once() -> None:
    bench = Bench()
    await bench.others.catch_up()
    bench.changes += [(registered("t"), False), (registered("t", HINTED), True)]
    await bench.others.catch_up()
    await bench.others.catch_up()
    assert bench.hints == ["t"]
    assert bench.is_followed("t")
    assert registered("t") in bench.registry


async def test_hints_from_before_the_start_are_old() -> None:
    bench = Bench()
    bench.changes.append((registered("old", HINTED), True))
    await bench.others.catch_up()
    bench.changes.append((registered("new", HINTED), True))
    await bench.others.catch_up()
    assert bench.hints == ["new"]
