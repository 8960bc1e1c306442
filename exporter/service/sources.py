"""The sources that run by themselves: started, kept and stopped as the settings say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.discovery import configured_sources
from exporter.discovery.source import Source, SourceDependencies
from exporter.intake.accounting import ExporterAccounting
from exporter.intake.intake import Intake
from exporter.metrics.snapshot import SourceView
from exporter.service.dependencies import Dependencies
from exporter.service.loops import Loops
from exporter.settings.model import Settings
from exporter.settings.targets import KnownSecrets
from exporter.tasks.item import Item


class Sources:
    """Runs one loop for each source, and gives what it finds to be followed."""

    def __init__(
        self,
        *,
        intake: Intake,
        accounting: ExporterAccounting,
        loops: Loops,
        dependencies: Dependencies,
        secrets: KnownSecrets,
        log: FilteringBoundLogger,
    ) -> None:
        self._intake = intake
        self._accounting = accounting
        self._loops = loops
        self._clock = dependencies.clock
        self._log = log
        self._dependencies = SourceDependencies(
            dependencies.clock, dependencies.random, log, dependencies.transport, environ=dependencies.environ
        )
        self._secrets = secrets
        self._accounts: dict[str, str] = {}
        self._running: dict[str, _Running] = {}

    @property
    def untried(self) -> list[str]:
        """The sources that have not been read yet, well or badly."""
        return [name for name, running in self._running.items() if not running.has_been_tried]

    @property
    def unreported_accounts(self) -> frozenset[str]:
        """The accounts of which a source may still name tasks that nobody knows of: it was not read in full yet."""
        waiting = (running for running in self._running.values() if running.last_refresh_at is None)
        return frozenset(self._accounts[running.source.group] for running in waiting)

    def retire(self, settings: Settings) -> None:
        """Take nothing more from sources that these settings do not ask for."""
        wanted = self._wanted(settings)
        for name, running in self._running.items():
            running.is_retired = name not in wanted or wanted[name] != running.source

    async def keep(self, settings: Settings) -> None:
        """Let exactly the sources of these settings run; those that are the same run on."""
        self.retire(settings)
        self._accounts = {group.name: group.account for group in settings.task_groups}
        for name in [name for name, running in self._running.items() if running.is_retired]:
            await self._loops.stop(_loop(name))
            del self._running[name]
        for name, source in self._wanted(settings).items():
            if name not in self._running:
                self._start(source)

    def views(self) -> Iterator[SourceView]:
        """What /metrics shows of each."""
        for running in self._running.values():
            yield SourceView(running.source.group, str(running.source.mechanism), running.last_refresh_at)

    def _wanted(self, settings: Settings) -> dict[str, Source]:
        return {
            source.name: source
            for group in settings.task_groups
            for source in configured_sources(group, settings.globals.labels, self._secrets)
        }

    def clock_stepped(self, by: float) -> None:
        """Date what they show by the clock as it goes now."""
        for running in self._running.values():
            if running.last_refresh_at is not None:
                running.last_refresh_at += by

    def _start(self, source: Source) -> None:
        self._running[source.name] = running = _Running(source, self._intake, self._accounting, self._clock, self._log)
        self._loops.start(_loop(source.name), source.run(running, self._dependencies))


@dataclass(slots=True)
class _Running:
    """One source at work: what it reports becomes lists, metrics and log lines."""

    source: Source
    intake: Intake
    accounting: ExporterAccounting
    clock: Clock
    log: FilteringBoundLogger
    last_refresh_at: float | None = None
    faults: frozenset[str] = frozenset()
    has_been_tried: bool = False
    is_retired: bool = False

    async def found(self, items: Sequence[Item], *, is_whole: bool) -> None:
        async with self.intake.changing:
            if not self.is_retired:
                await self.intake.replace({self.source.name: items}, drops=is_whole)

    def refreshed(self) -> None:
        self.has_been_tried = True
        self.last_refresh_at = self.clock.wall()
        if self.faults:
            self.faults = frozenset()
            self.log.info("discovery_recovered", source=self.source.name)

    def failed(self, *reasons: str) -> None:
        self.has_been_tried = True
        self.accounting.refresh_failed(self.source.group, str(self.source.mechanism))
        for reason in dict.fromkeys(reasons):
            if reason not in self.faults:
                self.log.warning("discovery_failing", source=self.source.name, reason=reason)
        self.faults = frozenset(reasons)


def _loop(source: str) -> str:
    return f"source {source}"
