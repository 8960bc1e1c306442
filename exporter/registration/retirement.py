"""Registered tasks leave when they have ended and their retention is over: what they counted stays counted."""

from collections.abc import Awaitable, Callable
from itertools import count

from sortedcontainers import SortedList
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.ledger.ledger import LedgerError
from exporter.registration.registrar import Registrar
from exporter.registration.registry import Registry, is_registered, registration_limit
from exporter.settings.reload import CurrentSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.tracker import Change, ChangeKind

INTERVAL = (1.0, 60.0)
"""The shortest and the longest wait (seconds) between two looks; a tenth of the retention lies in between."""

AT_ONCE = 1000
"""So many tasks leave in one request."""


class Retirement:
    """Is told of every change, and so knows which registered tasks have ended, and how long ago, steps aside.

    ``flush`` makes durable what is recorded for the accounts that this process ``keeps``: another exporter may just
    have taken one over, which sees its tasks end for himself, as long as they are registered.
    """

    def __init__(
        self,
        *,
        settings: CurrentSettings,
        registry: Registry,
        registrar: Registrar,
        flush: Callable[[], Awaitable[bool]],
        keeps: Callable[[str], bool],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._registrar = registrar
        self._flush = flush
        self._keeps = keeps
        self._clock = clock
        self._log = log
        self._order = count()
        self._ended: SortedList[tuple[float, int, TaskRef]] = SortedList()
        self._entries: dict[TaskRef, tuple[float, int, TaskRef]] = {}

    def __len__(self) -> int:
        """How many tasks have ended and are still registered."""
        return len(self._ended)

    def take(self, change: Change) -> None:
        """Note a registered task that has ended, once: it may be given up and registered again any number of times."""
        ended_at, ref = change.task.state.finished_at, change.task.state.ref
        self._forget(ref)
        is_followed = change.kind not in (ChangeKind.DROPPED, ChangeKind.MERGED)
        if is_followed and ended_at is not None and any(map(is_registered, change.task.sources)):
            age = self._clock.wall() - ended_at
            entry = self._entries[ref] = (self._clock.steady() - age, next(self._order), ref)
            self._ended.add(entry)

    async def run(self) -> None:
        """Look again and again, for ever; what cannot be given up now is tried again."""
        shortest, longest = INTERVAL
        while True:
            await self._clock.sleep(min(longest, max(shortest, self._settings.value.globals.retention / 10)))
            try:
                while await self.look():
                    pass
            except LedgerError as error:
                self._log.warning("registrations_kept", error=str(error))

    async def look(self) -> bool:
        """Give up some of what is over; say whether there may be more. Raises LedgerError, with all kept, if unable.

        Outcomes are committed first: without its registration nobody would ask about a task again.
        """
        over = self._ended[: min(AT_ONCE, self._ended.bisect_left((self._over_before(), -1, TaskRef("", "any"))))]
        registrations = self._registrations([ref for _, _, ref in over])
        if registrations:
            if not (await self._flush() and all(map(self._is_durable, over))):
                return False
            await self._registrar.unregister(registrations)
        for entry in over:
            if self._entries.get(entry[-1]) == entry:  # most are forgotten by now, for they were dropped
                self._forget(entry[-1])
        return len(over) == AT_ONCE

    def _is_durable(self, entry: tuple[float, int, TaskRef]) -> bool:
        """Whether the flush before has made it so: its account was not lost meanwhile, nor lost and gained again."""
        return self._keeps(entry[-1].account) and self._entries.get(entry[-1]) == entry

    def _forget(self, ref: TaskRef) -> None:
        entry = self._entries.pop(ref, None)
        if entry is not None:
            self._ended.remove(entry)

    def _over_before(self) -> float:
        return self._clock.steady() - self._settings.value.globals.retention

    def _registrations(self, refs: list[TaskRef]) -> list[Registration]:
        open_groups = {group.name for group in self._settings.value.task_groups if registration_limit(group)}
        named = self._registry.naming([one for ref in refs for one in ref.each()])
        return [registration for registration in named if registration.group in open_groups]
