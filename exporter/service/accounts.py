"""The accounts in use, each with the poller of its tasks."""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.dispatcher.account import Account, AccountChange
from exporter.dispatcher.answer import DispatcherError
from exporter.dispatcher.report import STREAM_ENDPOINT
from exporter.intake.accounting import ExporterAccounting
from exporter.intake.intake import Intake
from exporter.metrics.snapshot import AccountView
from exporter.outbound import Outbound
from exporter.polling.cadence import AdaptiveCadence, Cadence, PublishedCadence
from exporter.polling.learning import Learning
from exporter.polling.poller import Outlook, Poller
from exporter.service.dependencies import Dependencies
from exporter.service.loops import Loops
from exporter.settings.errors import ConfigError, Fault
from exporter.settings.fields import Strategy
from exporter.settings.model import AccountSettings, PollSettings, Settings
from exporter.tasks.item import TaskLabels
from exporter.tasks.tracker import Change, Tracker
from exporter.tasks.view import TaskView
from exporter.threads import in_thread

_ANY_CADENCE = PublishedCadence(PollSettings())


@dataclass(frozen=True, slots=True)
class _Polled:
    """One account and its poller."""

    account: Account
    poller: Poller


@dataclass(frozen=True, slots=True)
class AccountsPlan:
    """Other accounts, ready to be used: whatever could fail has been done."""

    wanted: Settings
    opened: list[Account] = field(default_factory=list)
    changed: dict[str, AccountChange] = field(default_factory=dict)

    async def discard(self) -> None:
        """Close what was opened, for it is not wanted after all."""
        await asyncio.gather(
            *(account.aclose() for account in self.opened), *(change.discard() for change in self.changed.values())
        )


class Accounts:
    """Opens, changes and closes accounts until they are those of the settings, and passes on what happens to tasks.

    ``may_send`` says whether a request of an account may go now that is given up after so many seconds: it may be that
    another exporter owns the account.
    """

    def __init__(
        self,
        *,
        tracker: Tracker,
        intake: Intake,
        accounting: ExporterAccounting,
        learning: Learning,
        loops: Loops,
        dependencies: Dependencies,
        log: FilteringBoundLogger,
        may_send: Callable[[str, float], bool] = lambda _account, _timeout: True,
    ) -> None:
        self._tracker = tracker
        self._intake = intake
        self._accounting = accounting
        self._learning = learning
        self._loops = loops
        self._dependencies = dependencies
        self._log = log
        self._may_send = may_send
        self._polled: dict[str, _Polled] = {}
        self._cadences: dict[str, Cadence] = {}
        self._streamed: frozenset[str] = frozenset()

    @property
    def untried(self) -> list[str]:
        """The accounts that have tasks, none of which has been asked about yet.

        One that has no key is not among them: who waits for it would wait until somebody brings one.
        """
        return [name for name, polled in self._polled.items() if polled.account.has_key and not polled.poller.has_tried]

    def account(self, name: str) -> Account:
        """An account in use; KeyError where there is none of that name."""
        return self._polled[name].account

    def views(self) -> Iterator[AccountView]:
        """What /metrics shows of each."""
        clock = self._dependencies.clock
        return (_view(name, polled, clock) for name, polled in self._polled.items())

    def outlook(self, account: str, number: int) -> Outlook | None:
        """How the polling of a task goes on; None of an account that is not in use."""
        polled = self._polled.get(account)
        return polled.poller.outlook(number) if polled else None

    def clock_stepped(self, by: float) -> None:
        """Date what they show by the clock as it goes now."""
        for polled in self._polled.values():
            if polled.account.last_success_at is not None:
                polled.account.last_success_at += by

    def may_ask(self, name: str) -> bool:
        """Whether a request of an account in use may be sent now: another exporter may own it."""
        return self._may_send(name, self._polled[name].account.settings.timeout)

    def take(self, change: Change) -> None:
        """Tell the poller of a task's account what has happened to the task."""
        polled = self._polled.get(change.task.state.ref.account)
        if polled:
            polled.poller.take(change)

    def confirmed(self, account: str, number: int) -> None:
        """Tell the poller of an account that a task was answered as it was before."""
        polled = self._polled.get(account)
        if polled:
            polled.poller.confirmed(number)

    def owner(self, key: str) -> str | None:
        """The account whose API key this is."""
        return next((name for name, polled in self._polled.items() if polled.account.owns(key)), None)

    def make_way(self, name: str, error: DispatcherError) -> None:
        """Ask nothing of an account for a while, whose concurrency cap somebody else has met."""
        polled = self._polled.get(name)
        if polled:
            polled.account.make_way(error)

    def hurry(self, task: TaskView) -> None:
        """Ask about a task at once."""
        polled = self._polled.get(task.state.ref.account)
        if polled:
            polled.poller.hurry(task.number)

    # ---- accounts that come and go -----------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Ask about an account's tasks, as they come, if it is in use."""
        polled = self._polled.get(name)
        if polled and polled.poller.is_stopped:
            self._poll(polled.account)

    async def finish(self, name: str) -> None:
        """Ask nothing more of an account, and let the requests under way come to their end."""
        polled = self._polled.get(name)
        if polled:
            await self._loops.stop(_poll_loop(name))
            await polled.poller.stop(deadline=polled.account.settings.timeout)

    def close_streams(self, name: str) -> None:
        """End the streams of an account at once."""
        polled = self._polled.get(name)
        if polled:
            polled.poller.close_streams(unwanted_only=False)

    # ---- other settings --------------------------------------------------------------------------------------------

    async def prepare(self, wanted: Settings) -> AccountsPlan:
        """Read the keys and make the clients that these settings need; ConfigError where one cannot be made."""
        plan = AccountsPlan(wanted)
        others = [settings for settings in wanted.accounts if not self._is_in_use(settings)]
        if not others:  # as at each hand-over: no file is looked at then, which may hang
            return plan
        outbound = await in_thread(partial(Outbound.of, self._dependencies.environ))
        for settings in others:
            try:
                await self._prepare(plan, settings, outbound)
            except BaseException as error:
                await plan.discard()
                if isinstance(error, DispatcherError):
                    raise ConfigError([Fault("", 0, f"account {settings.name}", error.detail)]) from error
                raise
        return plan

    def commit(self, plan: AccountsPlan) -> list[str]:
        """Let a plan be so, at once; return the names of the accounts that are to be closed."""
        wanted = plan.wanted
        self._cadences = {group.name: self._cadence(group.poll) for group in wanted.task_groups}
        self._learning.configure(
            {
                group.name: group.poll.default_eta
                for group in wanted.task_groups
                if group.poll.strategy is Strategy.ADAPTIVE
            }
        )
        self._streamed = frozenset(group.name for group in wanted.task_groups if group.stream)
        for name in {group.account for group in wanted.task_groups if group.stream}:
            self._accounting.foresee_requests(name, STREAM_ENDPOINT)
        for change in plan.changed.values():
            change.commit()
        for name, polled in self._polled.items():
            polled.poller.close_streams(unwanted_only=name not in plan.changed)
            polled.poller.restaff()
        for account in plan.opened:
            self._poll(account)
            self._loops.start(_key_loop(account.settings.name), account.watch_key())
        return [name for name in self._polled if name not in {account.name for account in wanted.accounts}]

    async def close(self, names: Sequence[str] | None = None) -> None:
        """Stop polling these accounts, or all, at once."""
        for name in tuple(self._polled) if names is None else names:
            polled = self._polled.pop(name)
            await self._loops.stop(_poll_loop(name), _key_loop(name))
            await polled.poller.stop(deadline=0.0)
            await polled.account.aclose()

    async def drain(self, *, deadline: float) -> None:
        """Ask no more, and let the requests under way come back, that many seconds at most."""
        await self._loops.stop(*map(_poll_loop, self._polled))
        await asyncio.gather(*(polled.poller.stop(deadline=deadline) for polled in self._polled.values()))

    async def _prepare(self, plan: AccountsPlan, settings: AccountSettings, outbound: Outbound) -> None:
        polled = self._polled.get(settings.name)
        if polled is None:
            plan.opened.append(await self._open(settings, outbound))
        else:
            plan.changed[settings.name] = await polled.account.prepare(settings, outbound)

    def _is_in_use(self, settings: AccountSettings) -> bool:
        polled = self._polled.get(settings.name)
        return polled is not None and polled.account.settings == settings

    async def _open(self, settings: AccountSettings, outbound: Outbound) -> Account:
        dependencies = self._dependencies
        return await Account.open(
            settings,
            clock=dependencies.clock,
            requests=self._accounting,
            logger=self._log,
            random=dependencies.random,
            transport=dependencies.transport,
            environ=dependencies.environ,
            outbound=outbound,
            hide=dependencies.secrets.add,
        )

    def _poll(self, account: Account) -> None:
        name = account.settings.name
        poller = Poller(
            name,
            account,
            tasks=self._tracker,
            intake=self._intake,
            lag=self._accounting,
            cadence_of=self._cadence_of,
            clock=self._dependencies.clock,
            random=self._dependencies.random.random,
            log=self._log,
            is_streamed=lambda labels: labels.group in self._streamed,
            may_ask=partial(self.may_ask, name),
        )
        self._polled[name] = _Polled(account, poller)
        self._loops.start(_poll_loop(name), poller.run())

    def _cadence(self, poll: PollSettings) -> Cadence:
        published = PublishedCadence(poll)
        if poll.strategy is Strategy.ADAPTIVE:
            return AdaptiveCadence(published, self._learning.curve)
        return published

    def _cadence_of(self, labels: TaskLabels) -> Cadence:
        # within a reload a stream may be closed whose group has just gone; the task goes next
        return self._cadences.get(labels.group, _ANY_CADENCE)


def _view(name: str, polled: _Polled, clock: Clock) -> AccountView:
    account, poller = polled.account, polled.poller
    suspension = account.suspension
    may = _attainable_rate(account.settings, poller.latency, streams=account.streams)
    return AccountView(
        name=name,
        up=account.up,
        last_success_at=account.last_success_at,
        suspended=str(suspension.reason) if suspension else None,
        quota=account.quota,
        tasks_due=poller.tasks_due,
        oldest_due_at=_wall(poller.oldest_due, clock),
        requests_in_flight=account.in_flight,
        request_budget_ratio=poller.rate / may,
        attainable_interval=poller.tasks / may,
    )


def _wall(monotonic: float | None, clock: Clock) -> float | None:
    """A time of the monotonic clock as Unix seconds."""
    return None if monotonic is None else clock.wall() - (clock.monotonic() - monotonic)


def _attainable_rate(settings: AccountSettings, latency: float, *, streams: int) -> float:
    """Requests a second that the limits allow, given how long one takes and how many slots streams have taken."""
    by_latency = max(1, settings.max_in_flight - streams) / latency if latency else math.inf
    return min(settings.max_requests_per_second, by_latency)


def _poll_loop(account: str) -> str:
    return f"poll {account}"


def _key_loop(account: str) -> str:
    return f"key {account}"
