"""A loop that ends by itself is seen, for as long as it is missed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.service.loops import Loops


class Rig:
    def __init__(self) -> None:
        self.lines = CapturingLogger()
        self.loops = Loops(structlog.wrap_logger(self.lines, processors=[]))
        self.is_running = 0

    async def lasting(self) -> None:
        self.is_running += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.is_running -= 1

    async def failing(self) -> None:
        raise RuntimeError("unforeseen")

    async def ending(self) -> None: ...


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.loops.stop()
    assert rig.is_running == 0


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_loop_that_runs_is_not_dead(rig: Rig) -> None:
    rig.loops.start("poll", rig.lasting())
    await turns()
    assert (rig.is_running, rig.loops.dead) == (1, frozenset())


async def test_a_loop_that_failed_is_seen_with_its_error(rig: Rig) -> None:
    rig.loops.start("poll", rig.failing())
    rig.loops.start("source", rig.lasting())
    await turns()
    assert rig.loops.dead == {"poll"}
    [line] = rig.lines.calls
    assert (line.kwargs["event"], line.kwargs["loop"]) == ("loop_died", "poll")
    assert str(line.kwargs["exc_info"]) == "unforeseen"


async def test_a_loop_that_ends_though_it_should_not_is_seen_too(rig: Rig) -> None:
    rig.loops.start("poll", rig.ending())
    await turns()
    assert rig.loops.dead == {"poll"}


async def test_a_loop_that_somebody_else_cancelled_is_seen_too(rig: Rig) -> None:
    rig.loops.start("poll", rig.lasting())
    await turns()
    next(task for task in asyncio.all_tasks() if task.get_name() == "poll").cancel()
    await turns()
    assert rig.loops.dead == {"poll"}


async def test_one_started_in_its_place_clears_it(rig: Rig) -> None:
    rig.loops.start("poll", rig.failing())
    await turns()
    rig.loops.start("poll", rig.lasting())
    await turns()
    assert rig.loops.dead == frozenset()


@pytest.mark.parametrize("names", [("poll",), ()])
async def test_one_that_is_stopped_after_it_died_is_missed_no_more(rig: Rig, names: tuple[str, ...]) -> None:
    rig.loops.start("poll", rig.failing())
    await turns()
    await rig.loops.stop(*names)
    await turns()
    assert rig.loops.dead == frozenset()


async def test_stopping_one_leaves_the_fault_of_another(rig: Rig) -> None:
    rig.loops.start("poll", rig.failing())
    rig.loops.start("source", rig.lasting())
    await turns()
    await rig.loops.stop("source")
    assert (rig.is_running, rig.loops.dead) == (0, frozenset({"poll"}))


async def test_who_is_stopped_is_not_dead_however_it_ends(rig: Rig) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("in a hurry") from None

    rig.loops.start("poll", stubborn())
    await turns()
    await rig.loops.stop("poll", "unknown")
    await turns()
    assert (rig.loops.dead, rig.lines.calls) == (frozenset(), [])


async def test_one_that_is_replaced_in_the_instant_of_its_death_is_not_missed(rig: Rig) -> None:
    rig.loops.start("poll", rig.failing())
    stopping = asyncio.create_task(rig.loops.stop("poll"))
    await turns()
    rig.loops.start("poll", rig.lasting())
    await stopping
    await turns()
    assert (rig.loops.dead, rig.is_running) == (frozenset(), 1)
