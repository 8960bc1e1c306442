"""Old rows leave the ledger, save for those of tasks that some source still names, or may yet name."""

from structlog.typing import FilteringBoundLogger

from exporter.clock import WatchedClock
from exporter.intake.intake import Intake
from exporter.ledger.ledger import Aged, LedgerError
from exporter.ledger.writer import LedgerWriter
from exporter.registration.registry import Registry
from exporter.service.sources import Sources
from exporter.settings.reload import CurrentSettings
from exporter.tasks.tracker import Tracker

INTERVAL = 3600.0
"""Seconds between two rounds."""

PAUSE = 1.0
"""Seconds between two steps of a round: the ledger's thread has better things to do."""


class Pruning:
    """Looks through the ledger now and then, a few hundred rows in a step.

    A task that is not followed at this moment may be named in the next by a source that has not been read since it was
    configured: its account is passed over until every source has. Within a step no list is taken. By how much the clock
    has stepped forward is no age of a row: it counts half a retention later.
    """

    def __init__(
        self,
        *,
        settings: CurrentSettings,
        tracker: Tracker,
        registry: Registry,
        sources: Sources,
        intake: Intake,
        ledger: LedgerWriter,
        clock: WatchedClock,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._tracker = tracker
        self._registry = registry
        self._sources = sources
        self._intake = intake
        self._ledger = ledger
        self._clock = clock
        self._log = log

    async def run(self) -> None:
        """Prune for ever; what fails is tried again in the next round."""
        while True:
            await self._clock.sleep(PAUSE)
            try:
                while await self.step():
                    await self._clock.sleep(PAUSE)
            except LedgerError as error:
                self._log.warning("ledger_prune_failed", error=str(error))
            await self._clock.sleep(INTERVAL)

    async def step(self) -> bool:
        """Look at some rows that nobody has looked at for half a retention; say whether there were any."""
        async with self._intake.changing:
            retention, unread = self._settings.value.ledger.retention, self._sources.unreported_accounts
            stepped = self._clock.forward_within(retention / 2)
            aged = await self._ledger.aged(retention=retention, except_accounts=unread, stepped=stepped)
            if not aged:
                return False
            named: dict[bool, list[Aged]] = {True: [], False: []}
            for row in aged:
                named[self._is_named(row)].append(row)
            await self._ledger.prune(gone=named[False], kept=named[True])
            return True

    def _is_named(self, row: Aged) -> bool:
        return self._tracker.is_followed(row.ref) or self._registry.keeps(row.ref)
