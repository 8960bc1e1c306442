"""The exporter: tracker, ledger, accounts and loops put together; started, reloaded and stopped."""

import asyncio
from dataclasses import replace
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from exporter.accounting.totals import Aggregates
from exporter.ledger.ledger import Ledger
from exporter.ledger.writer import LedgerWriter
from exporter.metrics.limits import LabelBounds
from exporter.metrics.snapshot import BuildView, ConfigView, Snapshot
from exporter.registration.registrar import Registrar
from exporter.registration.registry import Registry
from exporter.registration.retirement import Retiring
from exporter.service.accounts import Accounts
from exporter.service.dependencies import World
from exporter.service.desk import Registrations, TrackedTasks
from exporter.service.following import Following, Lists
from exporter.service.hints import Hints
from exporter.service.journal import Journal
from exporter.service.loops import Loops
from exporter.service.sources import Sources
from exporter.service.wanted import configured_labels, kept_sources, registered_lists, rules_of, static_lists
from exporter.settings.diff import Difference, diff, refusals
from exporter.settings.errors import ConfigError, Fault
from exporter.settings.load import load
from exporter.settings.model import Settings
from exporter.tasks.item import TaskLabels
from exporter.tasks.tracker import Tracker

PRUNE_INTERVAL = 3600.0

HEARTBEAT = 1.0

HEARTBEAT_LATE = 5.0
"""An event loop that has not come round for so many seconds is blocked."""


class Exporter:
    """One running exporter. All methods belong to the event loop."""

    def __init__(
        self, settings: Settings, *, config_file: Path, build: BuildView, world: World, log: FilteringBoundLogger
    ) -> None:
        self._settings = settings
        self._config_file = config_file
        self._build = build
        self._world = world
        self._log = log
        self._aggregates = Aggregates()
        self._bounds = LabelBounds(settings.label_values_limit)
        self._tracker = Tracker(rules_of(settings))
        ledger = Ledger(settings.ledger.url)
        self._writer = LedgerWriter(ledger, aggregates=self._aggregates, clock=world.clock, log=log)
        self._journal = Journal(writer=self._writer, bounds=self._bounds, log=log)
        self._loops = Loops(log)
        self._accounts = Accounts(tracker=self._tracker, journal=self._journal, loops=self._loops, world=world, log=log)
        self._following = Following(
            tracker=self._tracker,
            writer=self._writer,
            journal=self._journal,
            accounts=self._accounts,
            clock=world.clock,
        )
        self._sources = Sources(following=self._following, writer=self._writer, loops=self._loops, world=world, log=log)
        self._registry = Registry()
        self._registrar = Registrar(
            settings=lambda: self._settings,
            registry=self._registry,
            following=self._following,
            tracker=self._tracker,
            writer=self._writer,
            clock=world.clock,
            log=log,
        )
        hints = Hints(tracker=self._tracker, accounts=self._accounts, registrar=self._registrar, clock=world.clock)
        self.clock = world.clock
        self.tasks = TrackedTasks(self._tracker)
        self.registrations = Registrations(self._registrar, self._registry, hints)
        self._reloading = asyncio.Lock()
        self._known: tuple[TaskLabels, ...] = ()
        self._config = ConfigView(last_reload_success_at=world.clock.wall())
        self._beat_at = world.clock.monotonic()

    # ---- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the ledger and poll; raise LedgerError where the ledger cannot be used."""
        await self._writer.open()
        self._bounds.restore(self._aggregates.totals, user=self._settings.labels)
        self._registry.add(await self._writer.registrations())
        await self._follow(self._settings)
        self._loops.start("ledger", self._writer.run())
        self._loops.start("registrations", self._registrar.run())
        self._loops.start("retiring", self._retiring().run())
        self._loops.start("heartbeat", self._beat())
        self._loops.start("prune", self._prune())

    async def stop(self, *, deadline: float) -> None:
        """Let requests under way come back, commit what is known, close everything; that many seconds at most."""
        try:
            async with asyncio.timeout(deadline):
                await self._accounts.drain(deadline=deadline / 2)
                await self._loops.stop()
                await self._writer.close()
                await self._accounts.close()
        except TimeoutError:
            self._log.error("stopped_late", deadline_seconds=deadline, pending=self._writer.view.pending)

    async def reload(self, *, dry_run: bool = False) -> Difference:
        """Read the configuration again and apply what differs; say what that is.

        Raises ConfigError or LedgerError, with everything left as it was.
        """
        async with self._reloading:
            try:
                difference = await self._reload(dry_run=dry_run)
            except Exception:
                if not dry_run:
                    self._config = replace(self._config, last_reload_successful=False)
                raise
            if not dry_run:
                self._config = ConfigView(last_reload_success_at=self._world.clock.wall())
            return difference

    async def _reload(self, *, dry_run: bool) -> Difference:
        wanted = await asyncio.to_thread(load, self._config_file)
        refused = refusals(self._settings, wanted)
        if refused:
            raise ConfigError([Fault(str(self._config_file), 0, "", text) for text in refused])
        difference = diff(self._settings, wanted)
        if not dry_run:
            await self._follow(wanted)
            self._log.info("config_reloaded", changed=not difference.is_empty)
        return difference

    # ---- views -----------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self._settings

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the exporter does not live as it should; empty where it does."""
        dead = tuple(f"the {name} loop has died" for name in sorted(self._loops.dead))
        late = self._world.clock.monotonic() - self._beat_at
        return (*dead, f"the event loop is {late:.0f} s late") if late > HEARTBEAT_LATE else dead

    @property
    def unready(self) -> tuple[str, ...]:
        """What is still missing before the metrics mean something; empty where nothing is."""
        untried = tuple(f"account {name} has not been polled yet" for name in self._accounts.untried)
        return (*untried, "the ledger does not take commits") if self._writer.view.failing else untried

    def snapshot(self) -> Snapshot:
        """Everything one scrape shows, at this instant."""
        ledger = self._writer.view
        return Snapshot(
            census=self._tracker.census(now=self._world.clock.wall()),
            build=self._build,
            label_names=self._settings.labels,
            known=self._known,
            totals=self._aggregates.view(include_pending=ledger.failing),
            exemplars=self._aggregates.exemplars,
            accounts=tuple(self._accounts.views()),
            ledger=ledger,
            sources=(*self._sources.views(), *self._registrar.views()),
            config=self._config,
        )

    @property
    def accounts(self) -> Accounts:
        """The accounts in use."""
        return self._accounts

    @property
    def registrar(self) -> Registrar:
        """The way into the registry and out of it."""
        return self._registrar

    # ---- what is followed ------------------------------------------------------------------------------------------

    async def _follow(self, wanted: Settings) -> None:
        """Make the wanted settings the running ones: first everything that may fail, then all at once."""
        to_close: list[str] = []
        await self._following.assign(lambda: self._lists(wanted), adopt=lambda: to_close.extend(self._adopt(wanted)))
        await self._sources.keep(wanted)
        await self._accounts.close(to_close)

    def _lists(self, wanted: Settings) -> Lists:
        lists = {**static_lists(wanted), **registered_lists(wanted, self._registry)}
        kept = kept_sources(self._settings, wanted)
        abandoned = {source: () for source in self._tracker.sources if source not in lists and source not in kept}
        return {**lists, **abandoned}

    def _adopt(self, wanted: Settings) -> list[str]:
        self._settings = wanted
        self._bounds.limit = wanted.label_values_limit
        self._known = tuple(dict.fromkeys(self._journal.bounded(labels) for labels in configured_labels(wanted)))
        self._sources.retire(wanted)
        self._tracker.apply(rules_of(wanted), now=self._world.clock.wall())
        return self._accounts.keep(wanted)

    def _retiring(self) -> Retiring:
        return Retiring(
            settings=lambda: self._settings,
            registry=self._registry,
            registrar=self._registrar,
            tracker=self._tracker,
            writer=self._writer,
            clock=self._world.clock,
            log=self._log,
        )

    # ---- loops -----------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            self._beat_at = self._world.clock.monotonic()
            await self._world.clock.sleep(HEARTBEAT)

    async def _prune(self) -> None:
        while True:
            followed = frozenset(self._registry.ids()).union(
                key for task in self._tracker for key in task.state.ref.ids()
            )
            before = self._world.clock.wall() - self._settings.ledger.retention
            is_done = await self._writer.prune(before=before, followed=followed)
            await self._world.clock.sleep(PRUNE_INTERVAL if is_done else HEARTBEAT)
