"""What the pruning asks before a row of the ledger may go, and what it does with a ledger in trouble."""

import asyncio
from collections.abc import Collection, Sequence
from typing import cast

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.clock import WatchedClock
from exporter.intake.intake import Intake
from exporter.ledger.ledger import Aged, LedgerError
from exporter.ledger.writer import LedgerWriter
from exporter.metrics.limits import LabelLimits
from exporter.registration.registry import Registry
from exporter.service.pruning import INTERVAL, PAUSE, Pruning
from exporter.service.sources import Sources
from exporter.settings.model import LedgerSettings, Settings
from exporter.settings.reload import CurrentSettings
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.tracker import Tracker
from tests.support.fake_clock import FakeClock

BY_ID, BY_OUT_ID, BOTH = TaskRef("a", "t"), TaskRef("a", None, "o"), TaskRef("a", "t", "o")


class Ledger:
    """Has some steps' worth of old rows, and notes what it is told of them."""

    def __init__(self, rig: "Rig") -> None:
        self._rig = rig
        self.steps: list[list[Aged]] = []
        self.fault: Exception | None = None
        self.asked: list[tuple[float, Collection[str]]] = []
        self.asked_at: list[float] = []
        self.gone: list[TaskRef] = []
        self.kept: list[TaskRef] = []

    async def aged(self, *, retention: float, except_accounts: Collection[str], stepped: float = 0.0) -> Sequence[Aged]:
        assert self._rig.intake.changing.locked()
        self.asked.append((retention, except_accounts))
        self.asked_at.append(self._rig.clock.monotonic() - 1000.0)
        if self.fault:
            raise self.fault
        return self.steps.pop(0) if self.steps else []

    async def prune(self, *, gone: Sequence[Aged], kept: Sequence[Aged]) -> int:
        assert self._rig.intake.changing.locked(), "no list may come between the question and the answer"
        self.gone += [row.ref for row in gone]
        self.kept += [row.ref for row in kept]
        return len(gone)


class Unread:
    """The sources, as far as the pruning asks."""

    unreported_accounts: frozenset[str] = frozenset()


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.lines = CapturingLogger()
        self.settings = CurrentSettings(Settings(accounts=(), ledger=LedgerSettings(retention=500.0)))
        self.tracker = Tracker(Rules())
        self.registry = Registry()
        self.sources = Unread()
        self.ledger = Ledger(self)
        ledger, log = cast("LedgerWriter", self.ledger), structlog.wrap_logger(self.lines, processors=[])
        self.intake = Intake(self.tracker, ledger=ledger, bounds=LabelLimits(), clock=self.clock, log=log)
        self.pruning = Pruning(
            settings=self.settings,
            tracker=self.tracker,
            registry=self.registry,
            sources=cast("Sources", self.sources),
            intake=self.intake,
            ledger=ledger,
            clock=WatchedClock(self.clock),
            log=log,
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


def row(ref: TaskRef) -> Aged:
    return Aged("outcomes", 1, 0.0, ref)


async def test_what_nobody_names_may_go_and_what_is_followed_stays(rig: Rig) -> None:
    rig.tracker.claim("s", Item(BY_ID, TaskLabels("a", "g")), now=0.0)
    other = TaskRef("b", "t")
    rig.ledger.steps = [[row(BY_ID), row(BOTH), row(BY_OUT_ID), row(other)]]
    assert await rig.pruning.step()
    assert (rig.ledger.kept, rig.ledger.gone) == ([BY_ID, BOTH], [BY_OUT_ID, other])


@pytest.mark.parametrize("registered", [BY_ID, BY_OUT_ID])
async def test_what_is_registered_stays_though_its_group_is_closed(rig: Rig, registered: TaskRef) -> None:
    rig.registry.add([Registration("closed", registered, 0.0)])
    rig.ledger.steps = [[row(BOTH), row(registered), row(TaskRef("a", "unknown"))]]
    await rig.pruning.step()
    assert (rig.ledger.kept, rig.ledger.gone) == ([BOTH, registered], [TaskRef("a", "unknown")])


async def test_accounts_whose_sources_have_not_spoken_are_passed_over(rig: Rig) -> None:
    rig.sources.unreported_accounts = frozenset({"a"})
    assert not await rig.pruning.step()
    rig.sources.unreported_accounts = frozenset()
    assert not await rig.pruning.step()
    assert rig.ledger.asked == [(500.0, {"a"}), (500.0, frozenset())]


async def test_a_step_waits_for_whoever_changes_what_is_followed(rig: Rig) -> None:
    async with rig.intake.changing:
        stepping = asyncio.create_task(rig.pruning.step())
        await rig.clock.settle()
        assert rig.ledger.asked == []
        rig.settings.replace(Settings(accounts=(), ledger=LedgerSettings(retention=900.0)))
    await stepping
    assert rig.ledger.asked == [(900.0, frozenset())], "what holds when its turn comes"


async def test_a_round_goes_on_while_there_are_rows_with_a_pause_between_its_steps(rig: Rig) -> None:
    rig.ledger.steps = [[row(BY_ID)], [row(BY_OUT_ID)]]
    running = asyncio.create_task(rig.pruning.run())
    await rig.clock.advance(INTERVAL)
    assert rig.ledger.asked_at == [PAUSE, 2 * PAUSE, 3 * PAUSE]
    await rig.clock.advance(INTERVAL)
    running.cancel()
    assert rig.ledger.asked_at[3:] == [INTERVAL + 4 * PAUSE]
    assert not rig.intake.changing.locked()


async def test_a_ledger_in_trouble_is_asked_again_in_the_next_round(rig: Rig) -> None:
    rig.ledger.fault = LedgerError("disk full")
    rig.ledger.steps = [[row(BY_ID)]]
    running = asyncio.create_task(rig.pruning.run())
    await rig.clock.advance(INTERVAL)
    assert [call.kwargs["event"] for call in rig.lines.calls] == ["ledger_prune_failed"]
    assert not rig.intake.changing.locked()
    rig.ledger.fault = None
    await rig.clock.advance(INTERVAL)
    running.cancel()
    assert rig.ledger.gone == [BY_ID]
