"""Callbacks for tasks that another exporter follows: passed on once, however often they come, and never without end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.ledger.ledger import LedgerError
from exporter.registration.hints import PASS_SECONDS, WAITING, Hints
from exporter.registration.registry import Registry
from exporter.settings.model import GroupSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.state import TaskState, begin
from tests.support.fake_clock import FakeClock

GROUP = GroupSettings("renders", "blue")


def ref(task: str) -> TaskRef:
    return TaskRef("blue", task)


class Bench:
    """Hints before a ledger that knows the tasks whose names begin with ``known``."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.registry = Registry()
        self.passed: list[list[str]] = []
        self.unknown: list[str] = []
        self.refuses = False
        self.during: Callable[[], None] | None = None
        self.hints = Hints(registry=self.registry, ledger=self, clock=self.clock, log=structlog.get_logger())

    async def kept(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        if self.during is not None:
            self.during()
        known = {each: ref(each.task_id) for each in refs if each.task_id and each.task_id.startswith("known")}
        return {each: begin(Item(task, TaskLabels("blue", "renders")), now=0.0) for each, task in known.items()}

    async def hint(self, refs: Sequence[TaskRef]) -> None:
        if self.refuses:
            raise LedgerError("the ledger is away")
        self.passed.append([str(each) for each in refs])

    def take(self, *tasks: str) -> None:
        for task in tasks:
            self.hints.take(GROUP, ref(task))


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    loop = asyncio.create_task(bench.hints.run(lambda _group, ref: bench.unknown.append(str(ref))))
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    async with running(bench):
        yield bench


async def test_what_is_known_or_registered_is_passed_on_and_the_rest_is_nobodys(bench: Bench) -> None:
    bench.registry.add([Registration("renders", ref("registered"), 0.0)])
    bench.take("known", "registered", "made up")
    await bench.clock.advance(PASS_SECONDS)
    assert (bench.passed, bench.unknown) == ([["known", "registered"]], ["made up"])

    await bench.clock.advance(10 * PASS_SECONDS)
    assert len(bench.passed) == 1, "it is over"


async def test_a_flood_about_one_task_is_one_row_a_second(bench: Bench) -> None:
    for _ in range(100):
        bench.take(*["known"] * 10)
        await bench.clock.advance(0.1)
    assert 9 <= len(bench.passed) <= 10
    assert {tuple(each) for each in bench.passed} == {("known",)}


async def test_ids_that_are_made_up_beside_a_known_one_make_no_rows(bench: Bench) -> None:
    for number in range(50):
        bench.hints.take(GROUP, TaskRef("blue", "known", f"made up {number}"))
    await bench.clock.advance(PASS_SECONDS)
    assert bench.passed == [["known"]]


async def test_what_comes_while_the_ledger_is_asked_is_passed_on_the_next_time(bench: Bench) -> None:
    bench.take("known")
    bench.during = lambda: bench.take("known")
    await bench.clock.advance(PASS_SECONDS)
    bench.during = None
    await bench.clock.advance(PASS_SECONDS)
    assert bench.passed == [["known"], ["known"]]


async def test_a_flood_about_many_tasks_is_cut(bench: Bench) -> None:
    bench.take(*(f"known-{number}" for number in range(WAITING + 500)))
    await bench.clock.advance(PASS_SECONDS)
    assert [len(each) for each in bench.passed] == [WAITING]
    bench.take("known")
    await bench.clock.advance(PASS_SECONDS)
    assert bench.passed[1:] == [["known"]], "there is room again"


async def test_a_ledger_that_is_away_gets_them_later_and_is_told_of_once(bench: Bench) -> None:
    bench.refuses = True
    with capture_logs() as logs:
        bench.take("known", "made up")
        await bench.clock.advance(5 * PASS_SECONDS)
    assert [line["event"] for line in logs] == ["hints_not_passed_on"]
    assert bench.unknown == []

    bench.refuses = False
    await bench.clock.advance(PASS_SECONDS)
    assert (bench.passed, bench.unknown) == ([["known"]], ["made up"])
