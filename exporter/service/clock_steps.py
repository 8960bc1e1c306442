"""What happens when the wall clock steps: it is counted, and the times of every task are put right."""

import asyncio

from structlog.typing import FilteringBoundLogger

from exporter.clock import ClockStep, WatchedClock
from exporter.intake.accounting import ExporterAccounting
from exporter.intake.intake import Intake
from exporter.ledger.ledger import LedgerError
from exporter.tasks.tracker import Tracker

RETRY = 10.0
"""Seconds until it is tried again where the ledger cannot take so much now."""


class ClockSteps:
    """Hears of every step before anything is dated after it.

    From that moment on no open task has a duration that could be counted; what else is known of it follows in turns.
    """

    def __init__(
        self,
        clock: WatchedClock,
        *,
        tracker: Tracker,
        intake: Intake,
        accounting: ExporterAccounting,
        log: FilteringBoundLogger,
    ) -> None:
        self._clock = clock
        self._tracker = tracker
        self._intake = intake
        self._accounting = accounting
        self._log = log
        self._has_stepped = asyncio.Event()
        clock.subscribe(self._stepped)

    async def run(self) -> None:
        """Put times right after each step, for ever."""
        while True:
            await self._clock.wait(self._has_stepped, None)
            self._has_stepped.clear()
            try:
                await self._intake.redate()
            except LedgerError as error:
                self._log.warning("times_not_put_right", error=str(error))
                self._has_stepped.set()
                await self._clock.sleep(RETRY)

    def _stepped(self, step: ClockStep) -> None:
        self._tracker.step_clock(by=step.by, now=step.at)
        self._accounting.clock_stepped()
        self._has_stepped.set()
        self._log.warning("clock_stepped", seconds=round(step.by, 3))
