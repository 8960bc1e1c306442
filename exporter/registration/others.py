"""Follows the registrations that other exporters take and give up, and their hints, where several share a ledger.

Any of them may take a registration or a callback; whoever owns its account follows the task, and asks about it. What
each has changed is told by the version of an account, which goes up with every change.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.intake.intake import Intake
from exporter.ledger.ledger import HINTED, LedgerError
from exporter.registration.registry import Registry, items_of, registered_source
from exporter.settings.reload import CurrentSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration

LOOK_SECONDS = 1.0
"""So often it is looked for changes."""


class Changes(Protocol):
    """What is needed of the ledger."""

    async def registration_versions(self) -> Mapping[str, int]: ...
    async def registrations_since(
        self, account: str, version: int
    ) -> tuple[Sequence[Registration], Sequence[Registration]]: ...


class OthersRegistrations:
    """Keeps the registry, and what is followed, as the ledger has it. ``follows``: whether an account's tasks are
    followed here; ``hinted`` is told which of them a callback has named elsewhere."""

    def __init__(
        self,
        *,
        settings: CurrentSettings,
        registry: Registry,
        intake: Intake,
        ledger: Changes,
        follows: Callable[[str], bool],
        hinted: Callable[[TaskRef], object],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._intake = intake
        self._ledger = ledger
        self._follows = follows
        self._hinted = hinted
        self._clock = clock
        self._log = log
        self._seen: dict[str, int] = {}
        self._at_first: Mapping[str, int] | None = None
        self._failures: dict[str, int] = {}  # of accounts that could not be read, how often
        self._failure = ""

    async def run(self) -> None:
        """Look for changes, for ever; it never raises."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                async with self._intake.changing:
                    await self.catch_up()
            except LedgerError as error:
                self._failed(str(error))
            except Exception:  # noqa: BLE001 - whoever registers elsewhere must not wait for ever
                self._log.exception("registrations_fault")
            else:
                self._failure = ""

    async def catch_up(self) -> None:
        """Take in every change there is; raise LedgerError, to be called again. The caller holds ``changing``.

        Whatever failed comes last: what the ledger cannot read of one account holds up no other.
        """
        versions = await self._ledger.registration_versions()
        self._at_first = versions if self._at_first is None else self._at_first
        changed = [account for account, version in versions.items() if version > self._seen.get(account, 0)]
        for account in sorted(changed, key=lambda account: self._failures.get(account, 0)):
            try:
                await self._catch_up(account, versions[account])
            except LedgerError:
                self._failures[account] = self._failures.get(account, 0) + 1
                raise
            self._failures.pop(account, None)

    async def _catch_up(self, account: str, version: int) -> None:
        added, gone = await self._ledger.registrations_since(account, self._seen.get(account, 0))
        removed = [registration for registration in gone if registration.group != HINTED]
        self._registry.discard([*removed, *added])  # what was given up and taken again may say something else
        self._registry.add(added)
        if self._follows(account):
            await self._follow(account, added, removed)
            self._hear(account, gone)
        self._seen[account] = version

    async def _follow(self, account: str, added: Sequence[Registration], removed: Sequence[Registration]) -> None:
        by_group = {name: list(some) for name, some in groupby(sorted(added, key=_group), key=_group)}
        for group in self._settings.value.task_groups:
            if group.account == account and group.name in by_group:
                source, items = registered_source(group.name), list(items_of(group, by_group[group.name]))
                await self._intake.add(source, items, await self._intake.recall({source: items}))
        for name, gone in groupby(sorted(removed, key=_group), key=_group):
            await self._intake.drop(registered_source(name), [registration.ref for registration in gone])

    def _hear(self, account: str, gone: Sequence[Registration]) -> None:
        """Take the hints among them; those from before this process's first look are of tasks that it asks about
        anyway."""
        are_new = account in self._seen or account not in (self._at_first or ())
        for registration in gone:
            if are_new and registration.group == HINTED:
                self._hinted(registration.ref)

    def _failed(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            self._log.warning("registrations_not_read", error=reason)


def _group(registration: Registration) -> str:
    return registration.group
