"""The exporter: tracker, intake, ledger, accounts and loops put together; started, reloaded and stopped."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from exporter.accounting.series import Series
from exporter.clock import ClockStep, WatchedClock
from exporter.intake.accounting import ExporterAccounting, TaskAccounting
from exporter.intake.answers import LastAnswers
from exporter.intake.intake import Confirmed, Consumer, Intake
from exporter.ledger.ledger import Ledger
from exporter.ledger.opening import ledger_at
from exporter.ledger.writer import LedgerWriter, Metering
from exporter.metrics.catalogue import account_of
from exporter.metrics.events import count_commit, count_ledger_failure
from exporter.metrics.families.own import Credential
from exporter.metrics.history import Recent
from exporter.metrics.limits import LabelLimits
from exporter.metrics.snapshot import BuildView, ConfigView, Snapshot
from exporter.metrics.traffic import Traffic
from exporter.polling.learning import Learning
from exporter.registration.hints import Hints
from exporter.registration.others import OthersRegistrations
from exporter.registration.registrar import Registrar
from exporter.registration.registry import Registry
from exporter.registration.retirement import Retirement
from exporter.service.accounts import Accounts
from exporter.service.clock_steps import ClockSteps
from exporter.service.dependencies import Dependencies
from exporter.service.elsewhere import Elsewhere
from exporter.service.keyring import Keyring
from exporter.service.loops import Loops
from exporter.service.pruning import Pruning
from exporter.service.reload import Plan, Planner, following, rules_of
from exporter.service.remembering import Remembering
from exporter.service.replication import Itself, Leases, Replication, leases_of
from exporter.service.sampling import Sampling
from exporter.service.sources import Sources
from exporter.settings.checks import warnings
from exporter.settings.errors import ConfigError, Fault
from exporter.settings.fingerprint import fingerprint
from exporter.settings.load import load
from exporter.settings.model import Settings
from exporter.settings.reload import CurrentSettings, Difference, diff, refusals
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Observation
from exporter.tasks.tracker import Tracker
from exporter.threads import in_thread

HEARTBEAT = 1.0

HEARTBEAT_LATE = 5.0
"""An event loop that has not come round for so many seconds is blocked."""


class Exporter:
    """One running exporter. All methods belong to the event loop.

    ``clock``, ``tasks``, ``answers``, ``registrations``, ``elsewhere``, ``accounts``, ``accounting`` and ``secrets``
    are its parts that others may ask; a web server tells ``traffic`` of its connections, and whoever has a loop of his
    own lets ``loops`` run it. ``ledger`` stands in for the one that the settings name, ``itself`` is what it is called
    among others that share that.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        config_file: Path,
        build: BuildView,
        dependencies: Dependencies,
        log: FilteringBoundLogger,
        ledger: Ledger | None = None,
        itself: Itself | None = None,
    ) -> None:
        self.clock = clock = WatchedClock(dependencies.clock)
        dependencies = replace(dependencies, clock=clock)
        self._config_file = config_file
        self._build = build
        self._log = log
        self._settings = CurrentSettings(settings)
        self.tasks = Tracker(rules_of(settings))
        self.answers = LastAnswers()
        self.traffic = Traffic()
        self._limits = LabelLimits(in_use=lambda: self.tasks.label_sets)
        leases = leases_of(settings, itself or Itself(), dependencies, log)
        self._keeper = leases.keeper if leases else None
        self._writer = LedgerWriter(
            ledger or ledger_at(settings.ledger.url, waiting=self._waits_for_the_ledger),
            clock=clock,
            log=log,
            metering=Metering(commit_succeeded=count_commit, commit_failed=count_ledger_failure),
            leases=self._keeper,
            account_of=account_of,
        )
        self.accounting = ExporterAccounting(self._writer.meter)
        self._writer.flush_from(self.accounting.flush_into)
        self._intake = Intake(self.tasks, ledger=self._writer, bounds=self._limits, clock=clock, log=log)
        self._steps = ClockSteps(clock, tracker=self.tasks, intake=self._intake, accounting=self.accounting, log=log)
        self.loops = Loops(log)
        self._learning = Learning()
        self.accounts = Accounts(
            tracker=self.tasks,
            intake=self._intake,
            accounting=self.accounting,
            learning=self._learning,
            loops=self.loops,
            dependencies=dependencies,
            log=log,
            may_send=self._keeper.may_send if self._keeper else lambda _account, _timeout: True,
        )
        self.secrets = Keyring(dependencies.secrets, dependencies.environ)
        self._environ = dependencies.environ
        self._take_dropped_lines = dependencies.take_dropped_lines
        self._sources = Sources(
            intake=self._intake,
            accounting=self.accounting,
            loops=self.loops,
            dependencies=dependencies,
            secrets=self.secrets,
            log=log,
        )
        self._registry = Registry()
        self._hints = Hints(registry=self._registry, ledger=self._writer, clock=clock, log=log)
        self.elsewhere = Elsewhere(
            settings=self._settings,
            registry=self._registry,
            ledger=self._writer,
            follows=self._follows,
            other_owner=self._keeper.other_owner if self._keeper else lambda _account: None,
        )
        self._others = OthersRegistrations(
            settings=self._settings,
            registry=self._registry,
            intake=self._intake,
            ledger=self._writer,
            follows=self._follows,
            hinted=self._hinted,
            clock=clock,
            log=log,
        )
        self.registrations = Registrar(
            settings=self._settings,
            registry=self._registry,
            intake=self._intake,
            tracker=self.tasks,
            ledger=self._writer,
            hurry=self.accounts.hurry,
            follows=self._follows,
            pass_on=self._hints.take,
            refused=self.accounting.refresh_failed,
            catch_up=self._others.catch_up if leases else None,
            clock=clock,
            log=log,
        )
        self._retirement = Retirement(
            settings=self._settings,
            registry=self._registry,
            registrar=self.registrations,
            flush=self._writer.flush,
            keeps=self._keeps,
            clock=clock,
            log=log,
        )
        self._pruning = Pruning(
            settings=self._settings,
            tracker=self.tasks,
            registry=self._registry,
            sources=self._sources,
            intake=self._intake,
            ledger=self._writer,
            clock=clock,
            log=log,
        )
        self._remembering = Remembering(learning=self._learning, ledger=self._writer, clock=clock, log=log)
        self._planner = Planner(
            accounts=self.accounts, intake=self._intake, tracker=self.tasks, registry=self._registry
        )
        self._sampling = Sampling(self.snapshot, clock=clock, log=log)
        self._replication = self._replication_of(leases, dependencies)
        # None: the tasks of every account; where accounts are shared, at first of none
        self._followed: frozenset[str] | None = frozenset() if leases else None
        self._intake.subscribe_to_news(TaskAccounting(ledger=self._writer, limits=self._limits, log=log).take)
        self._intake.subscribe_to_news(self._learning.take)
        self._intake.subscribe_to_news(self.accounts.take, confirmed=self.accounts.confirmed)
        self._intake.subscribe_to_news(self._retirement.take)
        self._intake.subscribe_to_news(self.answers.take)
        self._reloading = asyncio.Lock()
        self._known: tuple[TaskLabels, ...] = ()
        self._config = ConfigView(last_reload_success_at=clock.wall())
        self._proxied: Callable[[], int] | None = None
        self._beat_at = clock.monotonic()
        clock.subscribe(self._clock_stepped)

    # ---- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the ledger and poll; raise LedgerError or ConfigError, with all closed again, where that cannot be."""
        await self._writer.open()
        try:
            self._limits.restore(self._writer.shown())
            await self._remembering.recall()
            self._registry.add(await self._writer.registrations())
            await self._put_in_force(self._settings.value, running=None)
        except Exception:
            await self.stop(deadline=0.0)
            raise
        self.loops.start("ledger", self._writer.run())
        self.loops.start("registrations", self.registrations.run())
        self.loops.start("retirement", self._retirement.run())
        self.loops.start("clock steps", self._steps.run())
        self.loops.start("heartbeat", self._beat())
        self.loops.start("prune", self._pruning.run())
        self.loops.start("learnt", self._remembering.run())
        self.loops.start("sampling", self._sampling.run())
        if self._replication:
            self._replication.start(self.loops)
            self.loops.start("hints", self._hints.run(self.registrations.offer_unknown))

    def _replication_of(self, leases: Leases | None, dependencies: Dependencies) -> Replication | None:
        if leases is None:
            return None
        return Replication(
            leases,
            accounts=self.accounts,
            lanes=self._writer,
            others=self._others,
            follow=self._follow,
            begun=lambda books: self._limits.restore(books.totals),
            dependencies=dependencies,
            log=self._log,
        )

    def _hinted(self, ref: TaskRef) -> None:
        self.registrations.hurry(ref)

    def _waits_for_the_ledger(self, seconds: float) -> None:
        self._log.info("ledger_held", waiting=f"{seconds:g}s, to see whether the process that had it is gone")

    async def stop(self, *, deadline: float) -> None:
        """Let requests under way come back, commit what is known, close everything; about that many seconds at most."""
        ends_at = self.clock.monotonic() + deadline
        if self._replication:
            await self._replication.drain(deadline=deadline * 3 / 4)
        await self.accounts.drain(deadline=(ends_at - self.clock.monotonic()) / 2)
        await self.loops.stop()
        await self._writer.close(deadline=max(0.0, ends_at - self.clock.monotonic()))
        await self.accounts.close()
        if self._replication:
            await self._replication.close()

    async def flush(self) -> bool:
        """Make durable everything that has been recorded so far; say whether the ledger took it."""
        return await self._writer.flush()

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
                reloaded_at = self.clock.wall()
                self._config = replace(self._config, last_reload_successful=True, last_reload_success_at=reloaded_at)
            return difference

    async def _reload(self, *, dry_run: bool) -> Difference:
        running = self._settings.value
        wanted, difference, doubts = await in_thread(partial(_read, self._config_file, running, self._environ))
        if not dry_run:
            await self._put_in_force(wanted, running=running)
            for doubt in doubts:
                self._log.warning("config_warning", warning=doubt)
            self._log.info("config_reloaded", changed=not difference.is_empty)
        return difference

    async def _put_in_force(self, wanted: Settings, *, running: Settings | None) -> None:
        """Make the wanted settings the running ones: first everything that may fail, then all at once."""
        await in_thread(partial(self.secrets.follow, wanted))
        directory = self._config_file.absolute().parent
        sha256 = await in_thread(partial(fingerprint, wanted, directory=directory))
        async with self._intake.changing:
            closing = await self._apply(wanted, running=running, followed=self._followed)
            self._config = replace(self._config, sha256=sha256)
        await self.accounts.close(closing)
        if self._replication:
            self._replication.configure(wanted)
        if running is not None:
            await self._intake.recount()

    async def _follow(self, accounts: frozenset[str]) -> None:
        """Follow the tasks of these accounts and of no others; LedgerError, with all as it was, where that cannot be.

        To let some go needs no ledger: it is always possible.
        """
        async with self._reloading, self._intake.changing:
            await self._apply(self._settings.value, running=self._settings.value, followed=accounts)

    def _follows(self, account: str) -> bool:
        return self._followed is None or account in self._followed

    def _keeps(self, account: str) -> bool:
        return self._replication is None or self._replication.has(account)

    async def _apply(self, wanted: Settings, *, running: Settings | None, followed: frozenset[str] | None) -> list[str]:
        """Let these settings hold, and the tasks of these accounts be followed; return the accounts to close."""
        before = None if running is None else following(running, self._followed)
        plan = await self._planner.prepare(following(wanted, followed), running=before)
        self._settings.replace(wanted)
        self._followed = followed
        closing = self._commit(plan)
        await self._intake.replace(plan.lists, plan.memory)
        await self._sources.keep(plan.wanted)
        return closing

    def _commit(self, plan: Plan) -> list[str]:
        wanted = plan.wanted
        self._known = self._limits.configure(
            plan.labels,
            label_names=wanted.globals.labels,
            label_values=wanted.globals.label_values.limit,
            label_sets=wanted.globals.label_sets.limit,
        )
        self._sources.retire(wanted)
        self.tasks.apply(rules_of(wanted))
        return self.accounts.commit(plan.accounts)

    # ---- what is learnt from traffic ---------------------------------------------------------------------------------

    def learn(self, ref: TaskRef, observation: Observation | None, *, is_query: bool) -> None:
        """Take a validated answer that somebody else asked for; None: the API does not know the task."""
        self._intake.answer(ref, observation, is_query=is_query)

    def subscribe(self, consumer: Consumer, *, confirmed: Confirmed) -> None:
        """Tell this one of every change that is news, and of every answer to a query that is none."""
        self._intake.subscribe_to_news(consumer, confirmed=confirmed)

    def count_proxied(self, in_flight: Callable[[], int]) -> None:
        """Requests pass through a sidecar, so many at once as it says."""
        self._proxied = in_flight
        for group in self.settings.task_groups:
            if group.proxy_config is not None:
                self.accounting.foresee_learnt(group.account, group.name)

    # ---- views -----------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self._settings.value

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the exporter does not live as it should; empty where it does."""
        dead = tuple(f"the {name} loop has died" for name in sorted(self.loops.dead))
        late = self.clock.monotonic() - self._beat_at
        return (*dead, f"the event loop is {late:.0f} s late") if late > HEARTBEAT_LATE else dead

    @property
    def unready(self) -> tuple[str, ...]:
        """What is still missing before the metrics mean something; empty where nothing is."""
        unread = tuple(f"source {name} has not been read yet" for name in self._sources.untried)
        untried = tuple(f"account {name} has not been polled yet" for name in self.accounts.untried)
        failing = ("the ledger does not take commits",) if self._writer.view.failing else ()
        return (*unread, *untried, *failing)

    @property
    def recent(self) -> Recent:
        """The last hour, as far as it is remembered."""
        return self._sampling.recent

    def snapshot(self, scrape_timeout: float = 0.0) -> Snapshot:
        """Everything shown at this instant to a scrape that may take so many seconds, or to people."""
        ledger = self._writer.view
        accounts = tuple(view for view in self.accounts.views() if self._may_show(view.name, scrape_timeout))
        shown = {account.name for account in accounts}
        return Snapshot(
            census=self.tasks.census(now=self.clock.wall()),
            build=self._build,
            label_names=self.settings.globals.labels,
            known=tuple(labels for labels in self._known if labels.account in shown),
            totals=self._writer.shown(),
            exemplars=self._writer.exemplars(),
            accounts=accounts,
            owned={account.name: self._owns(account.name) for account in self.settings.accounts},
            ledger=ledger,
            sources=(*self._sources.views(), *self.registrations.views()),
            config=self._config,
            proxied=self._proxied() if self._proxied else None,
            traffic=self.traffic.view,
        )

    def _owns(self, account: str) -> bool:
        return self._keeper is None or self._keeper.owns(account)

    def _may_show(self, account: str, scrape_timeout: float) -> bool:
        if self._keeper is None or self._replication is None:
            return True
        return self._keeper.may_show(account, scrape_timeout) and self._replication.has(account)

    def announced(self, series: Sequence[Series]) -> None:
        """A scrape has shown these stored series at 0: the next ones may show what they count, once that is durable."""
        self._writer.mark(series)

    def credentials_refused(self, kind: Credential) -> None:
        """A request brought wrong credentials."""
        self.accounting.credentials_refused(kind)

    def _clock_stepped(self, step: ClockStep) -> None:
        self.accounts.clock_stepped(step.by)
        self._sources.clock_stepped(step.by)
        self._learning.clock_stepped(step.by)
        self.registrations.clock_stepped(step.by)
        self._writer.clock_stepped(step.by)
        loaded_at = self._config.last_reload_success_at
        self._config = replace(self._config, last_reload_success_at=loaded_at + step.by)

    # ---- loops -----------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            self._beat_at = self.clock.monotonic()
            self.tasks.retire(now=self.clock.wall())
            self.accounting.labels_refused(self._limits.take_overflows())
            self.accounting.connections_closed(self.traffic.take_endings())
            self.accounting.log_lines_dropped(self._take_dropped_lines())
            await self.clock.sleep(HEARTBEAT)


def _read(config_file: Path, running: Settings, environ: Mapping[str, str]) -> tuple[Settings, Difference, list[str]]:
    """The settings of the file, what they change, and what there is to warn of.

    ConfigError where they cannot be, or not while running.
    """
    wanted = load(config_file, environ)
    refused = refusals(running, wanted)
    if refused:
        raise ConfigError([Fault(str(config_file), 0, "", text) for text in refused])
    return wanted, diff(running, wanted), warnings(wanted, environ)
