"""The loop that keeps what the cadence has learnt, so that a restart need not learn it again."""

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.ledger.ledger import LedgerError
from exporter.ledger.writer import LedgerWriter
from exporter.polling.learning import KINDS, Learning

INTERVAL = 300.0
"""Seconds between two writings. What was learnt since the last is lost with the process, which does no harm."""


class Remembering:
    """Reads what was learnt once, and writes what is new now and then. Whatever fails, polling goes on without it."""

    def __init__(self, *, learning: Learning, ledger: LedgerWriter, clock: Clock, log: FilteringBoundLogger) -> None:
        self._learning = learning
        self._ledger = ledger
        self._clock = clock
        self._log = log

    async def recall(self) -> None:
        """Know what was learnt before this process began."""
        try:
            faults = self._learning.load(await self._ledger.learnt())
        except LedgerError as error:
            self._log.warning("learnt_not_read", error=str(error))
            return
        if faults:
            self._log.warning("learnt_ignored", rows=len(faults), error=faults[0])

    async def run(self) -> None:
        """Keep what is new, for ever."""
        while True:
            await self._clock.sleep(INTERVAL)
            await self.keep()

    async def keep(self) -> None:
        """Keep what is new; what cannot be kept is tried again with the next outcome of its kind."""
        news = self._learning.news()
        if not news:
            return
        try:
            await self._ledger.keep_learnt(news, limit=KINDS)
        except LedgerError as error:
            self._log.warning("learnt_not_kept", error=str(error))
