"""The loop that keeps the last hour in memory, for the landing page."""

from collections.abc import Callable
from functools import partial

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.metrics.history import INTERVAL, History, Recent
from exporter.metrics.readings import read
from exporter.metrics.snapshot import Snapshot
from exporter.threads import in_thread


class Sampling:
    """Samples the exporter for as long as it runs. It belongs to the event loop; what grows with the number of series
    is done in a thread.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], *, clock: Clock, log: FilteringBoundLogger) -> None:
        self._snapshot = snapshot
        self._clock = clock
        self._log = log
        self._history = History()

    @property
    def recent(self) -> Recent:
        """What is remembered at this instant."""
        return self._history.recent(now=self._clock.steady())

    async def run(self) -> None:
        """Take a sample at once and then one an interval; those that are missed are not made up for."""
        due = self._clock.monotonic()
        while True:
            await self._sample()
            late = self._clock.monotonic() - due
            due += INTERVAL * (1 + late // INTERVAL)
            await self._clock.sleep(due - self._clock.monotonic())

    async def _sample(self) -> None:
        try:
            taken_at = self._clock.steady()
            reading = await in_thread(partial(read, self._snapshot()))
            self._history.add(reading, now=taken_at)
        except Exception:  # noqa: BLE001 - a picture is not worth the exporter's life
            self._log.exception("sample_failed")
