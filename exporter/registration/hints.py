"""Passes on what callbacks say of tasks that another exporter follows: a hint in the ledger, where it finds it.

However many callbacks come, that is one look-up and one small transaction a second. A task has one row, however often
it is named, and a task that nobody knows has none.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.ledger.ledger import LedgerError
from exporter.registration.registry import Registry
from exporter.settings.model import GroupSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.state import TaskState

PASS_SECONDS = 1.0
"""So often hints are passed on: as often as the others look for them."""

WAITING = 1000
"""Beyond so many tasks that wait, one more is dropped."""


class Known(Protocol):
    """What is needed of the ledger."""

    async def kept(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]: ...
    async def hint(self, refs: Sequence[TaskRef]) -> None: ...


class Hints:
    """All methods belong to the event loop."""

    def __init__(self, *, registry: Registry, ledger: Known, clock: Clock, log: FilteringBoundLogger) -> None:
        self._registry = registry
        self._ledger = ledger
        self._clock = clock
        self._log = log
        self._waiting: dict[TaskRef, GroupSettings] = {}
        self._has_some = asyncio.Event()
        self._failure = ""

    def take(self, group: GroupSettings, ref: TaskRef) -> None:
        """A callback of a group named a task: pass it on soon, if there is room."""
        if len(self._waiting) < WAITING:
            self._waiting[ref] = group
            self._has_some.set()

    async def run(self, unknown: Callable[[GroupSettings, TaskRef], None]) -> None:
        """Pass on what comes, for ever; it never raises. ``unknown`` is told of each task that nobody knows."""
        while True:
            await self._clock.wait(self._has_some, None)
            await self._clock.sleep(PASS_SECONDS)
            try:
                await self._pass_on(unknown)
            except LedgerError as error:
                self._failed(str(error))
            except Exception:  # noqa: BLE001 - a loop that died would lose every hint from now on
                self._log.exception("hints_fault")
            else:
                self._failure = ""

    async def _pass_on(self, unknown: Callable[[GroupSettings, TaskRef], None]) -> None:
        """What comes meanwhile waits for the next time; so does, as far as there is room, what the ledger does not
        take."""
        waiting, self._waiting = self._waiting, {}
        self._has_some.clear()
        try:
            kept = await self._ledger.kept(tuple(waiting))
            known = {ref: found for ref in waiting if (found := self._found(ref, kept))}
            if known:
                await self._ledger.hint(tuple(dict.fromkeys(known.values())))
        except LedgerError:
            self._waiting = dict(islice((waiting | self._waiting).items(), WAITING))
            self._has_some.set()
            raise
        for ref in waiting.keys() - known.keys():
            unknown(waiting[ref], ref)

    def _found(self, ref: TaskRef, kept: Mapping[TaskRef, TaskState]) -> TaskRef | None:
        """The task by the ids that it is known by: of two that a callback brings, one may be made up."""
        if ref in kept:
            return kept[ref].ref
        registrations = self._registry.naming([ref, *ref.each()])
        return registrations[0].ref if registrations else None

    def _failed(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            self._log.warning("hints_not_passed_on", error=reason)
