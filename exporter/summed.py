"""Lines of the log that somebody else may cause as often as he likes: told once, then summed up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock

EVERY = 60.0
"""Seconds between two lines of one kind."""

MOST_KINDS = 100
"""So many kinds are told apart at once; those beyond are summed up together."""

OTHER = "other"


@dataclass(slots=True)
class _Quiet:
    """Until when nothing is said of a kind, and how often it has happened meanwhile."""

    ends: asyncio.Task[None]
    unsaid: int = 0


class SummedLog:
    """Tells the first of a kind at once, and from then on once a minute at most how often it has happened again.

    What a line says besides its ``event`` and ``kind`` is of the one that was told: so nobody fills a log, whatever he
    sends. After a minute in which nothing happened the next one is told at once again. It belongs to the event loop.
    """

    def __init__(self, log: FilteringBoundLogger, clock: Clock, *, every: float = EVERY) -> None:
        self._log = log
        self._clock = clock
        self._every = every
        self._quiet: dict[tuple[str, str], _Quiet] = {}

    def warning(self, event: str, kind: str, **details: object) -> None:
        """Something happened that strangers can cause; it may hold an exception as ``exc_info``."""
        self._happened("warning", event, kind, details)

    def error(self, event: str, kind: str, **details: object) -> None:
        """As ``warning``, where it is a fault of ours."""
        self._happened("error", event, kind, details)

    def close(self) -> None:
        """Say what has not been said yet."""
        for (event, kind), quiet in self._quiet.items():
            quiet.ends.cancel()
            self._sum_up(event, kind, quiet.unsaid)
        self._quiet.clear()

    def _happened(self, level: str, event: str, kind: str, details: Mapping[str, object]) -> None:
        if (event, kind) not in self._quiet and len(self._quiet) >= MOST_KINDS:
            kind = OTHER
        quiet = self._quiet.get((event, kind))
        if quiet is not None:
            quiet.unsaid += 1
            return
        getattr(self._log, level)(event, kind=kind, **details)
        self._quiet[event, kind] = _Quiet(asyncio.create_task(self._keep_quiet(event, kind)))

    async def _keep_quiet(self, event: str, kind: str) -> None:
        while True:
            await self._clock.sleep(self._every)
            quiet = self._quiet[event, kind]
            if not quiet.unsaid:
                break
            self._sum_up(event, kind, quiet.unsaid)
            quiet.unsaid = 0
        del self._quiet[event, kind]

    def _sum_up(self, event: str, kind: str, times: int) -> None:
        if times:
            self._log.warning(event, kind=kind, times=times, since_seconds=self._every)
