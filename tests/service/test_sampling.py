"""The loop that keeps the last hour."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.metrics.snapshot import Snapshot
from exporter.service.sampling import Sampling
from tests.service.rig import Rig
from tests.support.fake_clock import FakeClock
from tests.support.fake_exporter import census, snapshot


class Sampled:
    def __init__(self, shown: Callable[[], Snapshot] | None = None) -> None:
        self.clock = FakeClock()
        self.lines = CapturingLogger()
        log = structlog.wrap_logger(self.lines, processors=[])
        self.sampling = Sampling(shown or self.shown, clock=self.clock, log=log)

    def shown(self) -> Snapshot:
        return snapshot(census=census(at=self.clock.wall()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = asyncio.create_task(self.sampling.run())
        await self.settled()
        try:
            yield
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)

    async def settled(self) -> None:
        """Until the thread has read, and the loop sleeps again."""
        for _ in range(20_000):
            if self.clock.sleeping:
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it does not sleep")

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        await self.settled()

    @property
    def slots(self) -> list[int]:
        return [sample.slot for sample in self.sampling.recent.samples]


async def test_a_sample_is_taken_at_once_and_every_thirty_seconds() -> None:
    sampled = Sampled()
    assert sampled.slots == []
    async with sampled.running():
        assert sampled.slots == [0]
        for _ in range(3):
            await sampled.advance(30)
        assert sampled.slots == [0, 1, 2, 3]


async def test_samples_that_were_missed_are_a_gap_and_not_made_up_for() -> None:
    sampled = Sampled()
    async with sampled.running():
        await sampled.clock.leap(1000)
        await sampled.settled()
        assert sampled.slots == [0, 33]
        await sampled.advance(20)
        assert sampled.slots == [0, 33, 34], "it is back in step: 34 intervals after its start"


async def test_a_fault_costs_a_sample_and_not_the_loop() -> None:
    faults = [RuntimeError("unforeseen")]

    def shown() -> Snapshot:
        if faults:
            raise faults.pop()
        return sampled.shown()

    sampled = Sampled(shown)
    async with sampled.running():
        assert sampled.slots == []
        assert [call.kwargs["event"] for call in sampled.lines.calls] == ["sample_failed"]
        await sampled.advance(30)
        assert sampled.slots == [0]


@pytest.mark.slow
async def test_a_running_exporter_remembers_what_it_does(rig: Rig) -> None:
    ids, _ = rig.submit(6, latency_seconds=20, failure_ratio=0.0)
    rig.configure(groups={"renders": ids})
    exporter = await rig.start()
    await rig.advance(95)
    samples = exporter.recent.samples
    assert [sample.slot for sample in samples] == [0, 1, 2, 3]
    assert samples[0].groups["renders"].open.unobserved == 6
    assert sum(sample.total.ended.completed for sample in samples if sample.total.ended) == 6
    assert sum(sample.accounts["default"].asked.requests for sample in samples if sample.accounts["default"].asked) > 6
