"""How often the exporter is asked: as often as it was said, and never so often that it becomes a burden."""

import asyncio

import pytest

from exporter.watch.client import NoAnswerError
from exporter.watch.overview import Filters, Overview
from exporter.watch.rounds import REFUSED_SECONDS, REST, rounds, until_stopped
from tests.support.fake_clock import FakeClock
from tests.watch.overviews import overview


class Exporter:
    """Takes so many seconds to answer, or says why it does not."""

    def __init__(self, clock: FakeClock, *, takes: float = 0.0, error: NoAnswerError | None = None) -> None:
        self.asked_at: list[float] = []
        self._clock = clock
        self._takes = takes
        self._error = error

    async def overview(self, filters: Filters) -> Overview:
        self.asked_at.append(self._clock.monotonic() - 1000)
        await self._clock.sleep(self._takes)
        if self._error:
            raise self._error
        return overview()


@pytest.mark.parametrize(
    ("takes", "error", "pause"),
    [
        (0.0, None, 2.0),
        (0.1, None, 2.0),
        (3.0, None, 3.0 * REST),
        (0.0, NoAnswerError("no connection"), 2.0),
        (0.0, NoAnswerError("HTTP 401", is_refusal=True), REFUSED_SECONDS),
    ],
)
async def test_the_pause_between_two_rounds(takes: float, error: NoAnswerError | None, pause: float) -> None:
    clock = FakeClock()
    exporter = Exporter(clock, takes=takes, error=error)

    async def follow() -> None:
        async for _ in rounds(exporter, Filters(), interval=2.0, clock=clock):
            pass

    following = asyncio.create_task(follow())
    await clock.advance(3 * (takes + pause) - 0.01)
    assert exporter.asked_at == pytest.approx([0, takes + pause, 2 * (takes + pause)])
    following.cancel()


async def test_what_goes_wrong_is_raised_and_a_stop_ends_the_work() -> None:
    async def fail() -> None:
        raise RuntimeError("the pipe is full")

    with pytest.raises(RuntimeError, match="the pipe is full"):
        await until_stopped(asyncio.create_task(fail()), asyncio.Event())
    stop, work = asyncio.Event(), asyncio.create_task(asyncio.Event().wait())
    stop.set()
    await until_stopped(work, stop)  # type: ignore[arg-type] # what it would return is of no matter
    with pytest.raises(asyncio.CancelledError):
        await work
