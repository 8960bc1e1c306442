"""Registered tasks leave when they have ended and their retention is over: what they counted stays counted."""

import asyncio
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.ledger.ledger import LedgerError
from exporter.ledger.writer import LedgerWriter
from exporter.registration.registrar import Registrar
from exporter.registration.registry import Registry, registered_source, registration_limit
from exporter.settings.model import GroupSettings, Settings
from exporter.tasks.item import Registration
from exporter.tasks.task import Task
from exporter.tasks.tracker import Tracker

INTERVAL = (1.0, 60.0)
"""The shortest and the longest wait (seconds) between two looks; a tenth of the retention lies in between."""

SLICE = 1000
"""So many tasks are looked at before the event loop comes round again."""


class Retiring:
    """Looks for registered tasks that ended long enough ago."""

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        registry: Registry,
        registrar: Registrar,
        tracker: Tracker,
        writer: LedgerWriter,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._registrar = registrar
        self._tracker = tracker
        self._writer = writer
        self._clock = clock
        self._log = log

    async def run(self) -> None:
        """Look again and again, for ever; what cannot be given up now is tried again."""
        shortest, longest = INTERVAL
        while True:
            await self._clock.sleep(min(longest, max(shortest, self._settings().retention / 10)))
            try:
                await self.look()
            except LedgerError as error:
                self._log.warning("registrations_kept", error=str(error))

    async def look(self) -> None:
        """Give up what is over. Outcomes are committed first: without its registration nobody would ask again."""
        groups = [group for group in self._settings().task_groups if registration_limit(group)]
        over = [registration for group in groups for registration in await self._over(group)]
        if over and await self._writer.flush():
            await self._registrar.unregister(over)

    async def _over(self, group: GroupSettings) -> list[Registration]:
        before = self._clock.wall() - self._settings().retention
        over = []
        for number, (ref, task) in enumerate(list(self._tracker.claimed(registered_source(group.name)).items()), 1):
            if _ended(task, before):
                over.append(ref)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return self._registry.of(group.name, over)


def _ended(task: Task, before: float) -> bool:
    at = task.state.finished_at
    return at is not None and at <= before
