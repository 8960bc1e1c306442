"""Registered tasks that have ended leave when their retention is over, and no other does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import structlog
from msgspec import structs
from structlog.testing import CapturingLogger

from exporter.ledger.ledger import LedgerError
from exporter.registration.registrar import Registrar
from exporter.registration.registry import Registry, items_of, registered_source
from exporter.registration.retirement import AT_ONCE, INTERVAL, Retirement
from exporter.settings.model import ApiConfigSettings, GlobalSettings, GroupSettings, Settings
from exporter.settings.reload import CurrentSettings
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState
from exporter.tasks.tracker import Tracker
from tests.support.fake_clock import FakeClock

RETENTION = 1000.0
GROUP = GroupSettings("renders", "one", "sora-2", api_config=ApiConfigSettings())
SETTINGS = Settings(accounts=(), globals=GlobalSettings(retention=RETENTION), task_groups=(GROUP,))
COMPLETED = Observation(Status.COMPLETED)
LABELS = TaskLabels("one", "renders", "sora-2")


class Giving(Registrar):
    """A registrar that notes what is given up, and fails when it is told to."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.fault: Exception | None = None
        self.gone: list[list[str]] = []

    async def unregister(self, registrations: Sequence[Registration]) -> None:
        if self.fault:
            raise self.fault
        self.registry.discard(registrations)
        self.gone.append([str(registration.ref) for registration in registrations])


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.settings = CurrentSettings(SETTINGS)
        self.tracker = Tracker(Rules())
        self.registry = Registry()
        self.registrar = Giving(self.registry)
        self.is_durable = True
        self.lost: set[str] = set()
        self.within_flush: Callable[[], object] = lambda: None
        self.lines = CapturingLogger()
        self.retirement = Retirement(
            settings=self.settings,
            registry=self.registry,
            registrar=self.registrar,
            flush=self._flush,
            keeps=lambda account: account not in self.lost,
            clock=self.clock,
            log=structlog.wrap_logger(self.lines, processors=[]),
        )

    async def _flush(self) -> bool:
        self.within_flush()
        return self.is_durable

    def register(self, *task_ids: str, remembered: TaskState | None = None) -> None:
        registrations = [Registration("renders", TaskRef("one", task_id), 0.0) for task_id in task_ids]
        self.registry.add(registrations)
        for item in items_of(GROUP, registrations):
            self.claim(registered_source("renders"), item, remembered)

    def claim(self, source: str, item: Item, remembered: TaskState | None = None) -> None:
        change = self.tracker.claim(source, item, now=self.clock.wall(), remembered=remembered)
        if change:
            self.retirement.take(change)

    def answer(self, *task_ids: str, observation: Observation = COMPLETED) -> None:
        for task_id in task_ids:
            for change in self.tracker.observe(TaskRef("one", task_id), observation, now=self.clock.wall()):
                self.retirement.take(change)

    def drop(self, task_id: str) -> None:
        """Follow it no more, as where its account is another exporter's: its registration stays."""
        change = self.tracker.release(registered_source("renders"), TaskRef("one", task_id), now=self.clock.wall())
        assert change
        self.retirement.take(change)

    def state(self, task_id: str) -> TaskState:
        task = self.tracker.find(TaskRef("one", task_id))
        assert task
        return task.state


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_only_what_has_ended_leaves_and_only_after_the_retention(rig: Rig) -> None:
    rig.register("t1", "t2", "t3")
    rig.answer("t1")
    rig.answer("t3", observation=Observation(Status.RUNNING))
    await rig.clock.advance(10.0)
    rig.answer("t2")

    await rig.clock.advance(RETENTION - 10.0)
    await rig.retirement.look()
    assert rig.registrar.gone == []
    await rig.clock.advance(0.001)
    await rig.retirement.look()
    assert rig.registrar.gone == [["t1"]]
    await rig.clock.advance(10.0)
    await rig.retirement.look()
    assert rig.registrar.gone == [["t1"], ["t2"]]
    assert rig.registry.count("renders") == 1


async def test_a_task_that_is_registered_after_it_ended_leaves_too(rig: Rig) -> None:
    rig.claim("renders/static", Item(TaskRef("one", "named"), LABELS))
    rig.answer("named")
    rig.register("named")  # by another source it was followed already
    rig.register("remembered", remembered=structs.replace(rig.state("named"), ref=TaskRef("one", "remembered")))

    await rig.clock.advance(RETENTION + 1.0)
    await rig.retirement.look()

    assert rig.registrar.gone == [["named", "remembered"]]


async def test_what_a_list_alone_names_is_none_of_its_business(rig: Rig) -> None:
    rig.claim("renders/static", Item(TaskRef("one", "t"), LABELS))
    rig.answer("t")
    await rig.clock.advance(RETENTION + 1.0)
    assert not await rig.retirement.look()
    assert rig.registrar.gone == []


async def test_a_task_that_has_learnt_its_other_id_leaves_under_the_one_it_was_registered_by(rig: Rig) -> None:
    rig.register("t")
    rig.answer("t", observation=Observation(Status.FAILED, out_task_id="o"))
    await rig.clock.advance(RETENTION + 1.0)
    await rig.retirement.look()
    assert rig.registrar.gone == [["t"]]


async def test_a_shorter_retention_holds_at_once(rig: Rig) -> None:
    rig.register("t")
    rig.answer("t")
    await rig.clock.advance(100.0)
    rig.settings.replace(replace(SETTINGS, globals=GlobalSettings(retention=50.0)))
    await rig.retirement.look()
    assert rig.registrar.gone == [["t"]]


async def test_a_longer_retention_holds_at_once(rig: Rig) -> None:
    rig.register("t")
    rig.answer("t")
    await rig.clock.advance(RETENTION + 1.0)
    rig.settings.replace(replace(SETTINGS, globals=GlobalSettings(retention=2 * RETENTION)))
    await rig.retirement.look()
    assert rig.registrar.gone == []


async def test_a_closed_group_keeps_its_registrations(rig: Rig) -> None:
    rig.register("t")
    rig.answer("t")
    rig.settings.replace(replace(SETTINGS, task_groups=(replace(GROUP, api_config=None),)))
    await rig.clock.advance(RETENTION + 1.0)
    await rig.retirement.look()
    assert (rig.registrar.gone, rig.registry.count("renders")) == ([], 1)

    state = rig.state("t")
    rig.tracker.release(registered_source("renders"), state.ref, now=rig.clock.wall())
    rig.settings.replace(SETTINGS)
    rig.register("t", remembered=state)  # as a reload does with the tasks of a group that is open again
    await rig.retirement.look()
    assert rig.registrar.gone == [["t"]]


async def test_nothing_leaves_before_it_is_durable(rig: Rig) -> None:
    rig.register("t")
    rig.answer("t")
    await rig.clock.advance(RETENTION + 1.0)
    rig.is_durable = False
    assert not await rig.retirement.look()
    assert rig.registrar.gone == []
    rig.is_durable = True
    await rig.retirement.look()
    assert rig.registrar.gone == [["t"]]


async def test_what_another_exporter_has_taken_over_is_not_given_up(rig: Rig) -> None:
    """What was not durable then is dropped, and a flush knows nothing of it: the other must find the registration."""
    rig.register("t")
    rig.answer("t")
    await rig.clock.advance(RETENTION + 1.0)
    rig.lost = {"one"}
    assert not await rig.retirement.look()
    assert rig.registrar.gone == []


async def test_what_was_lost_and_gained_within_a_flush_is_looked_at_anew(rig: Rig) -> None:
    rig.register("t")
    rig.answer("t")
    await rig.clock.advance(RETENTION + 1.0)
    rig.within_flush = lambda: rig.drop("t")
    assert not await rig.retirement.look()
    assert rig.registrar.gone == []


async def test_what_the_ledger_cannot_give_up_is_kept_and_tried_again(rig: Rig) -> None:
    rig.register("t")
    rig.answer("t")
    await rig.clock.advance(RETENTION + 1.0)
    rig.registrar.fault = LedgerError("disk full")
    running = asyncio.create_task(rig.retirement.run())
    await rig.clock.advance(2 * INTERVAL[1])
    assert {call.kwargs["event"] for call in rig.lines.calls} == {"registrations_kept"}
    assert rig.registry.count("renders") == 1

    rig.registrar.fault = None
    await rig.clock.advance(INTERVAL[1])
    running.cancel()
    assert rig.registrar.gone == [["t"]]


async def test_many_leave_in_many_requests_without_a_pause(rig: Rig) -> None:
    names = [f"t{number}" for number in range(2 * AT_ONCE + 1)]
    rig.register(*names)
    rig.answer(*names)
    await rig.clock.advance(RETENTION + 1.0)
    running = asyncio.create_task(rig.retirement.run())
    await rig.clock.advance(INTERVAL[1])
    running.cancel()
    assert [len(gone) for gone in rig.registrar.gone] == [AT_ONCE, AT_ONCE, 1]


async def test_one_that_somebody_gave_up_before_is_passed_over(rig: Rig) -> None:
    rig.register("t1", "t2")
    rig.answer("t1", "t2")
    rig.registry.discard([Registration("renders", TaskRef("one", "t1"), 0.0)])
    await rig.clock.advance(RETENTION + 1.0)
    await rig.retirement.look()
    assert rig.registrar.gone == [["t2"]]


def test_a_task_that_is_given_up_and_registered_again_and_again_is_remembered_once() -> None:
    unused: Any = None
    item = Item(TaskRef("a", "t"), TaskLabels("a", "g"))
    retirement = Retirement(
        settings=unused,
        registry=unused,
        registrar=unused,
        flush=unused,
        keeps=unused,
        clock=FakeClock(),
        log=structlog.wrap_logger(CapturingLogger()),
    )
    tracker, ended = Tracker(Rules()), None
    for now in map(float, range(100)):
        followed = tracker.claim(registered_source("g"), item, now=now, remembered=ended)
        answered = tracker.observe(item.ref, Observation(Status.COMPLETED), now=now)
        assert followed
        for change in (followed, *answered):
            retirement.take(change)
        ended = answered[-1].task.state
        assert len(retirement) == 1

        dropped = tracker.release(registered_source("g"), item.ref, now=now)
        assert dropped
        retirement.take(dropped)
        assert len(retirement) == 0, "nobody has it registered"


@pytest.mark.parametrize("by", [30 * 86400.0, -30 * 86400.0])
async def test_a_step_of_the_clock_gives_nothing_up_early_and_keeps_nothing_longer(rig: Rig, by: float) -> None:
    rig.register("t1")
    rig.answer("t1")
    await rig.clock.advance(RETENTION / 2)
    rig.clock.step_wall(by)
    assert not await rig.retirement.look()
    assert rig.registrar.gone == []
    await rig.clock.advance(RETENTION / 2 + 1)
    await rig.retirement.look()
    assert rig.registrar.gone == [["t1"]]
