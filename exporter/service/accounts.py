"""The accounts in use, each with the loop that polls its tasks."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from exporter.dispatcher.account import Account, AccountChange
from exporter.dispatcher.report import STREAM_ENDPOINT
from exporter.metrics.snapshot import AccountView
from exporter.polling.cadence import Cadence
from exporter.polling.poller import Poller
from exporter.service.dependencies import World
from exporter.service.journal import Journal
from exporter.service.loops import Loops
from exporter.settings.model import AccountSettings, PollSettings, Settings
from exporter.tasks.task import Task
from exporter.tasks.tracker import Tracker


@dataclass(frozen=True, slots=True)
class PreparedAccounts:
    """Accounts to be opened and changes to be committed, by name."""

    opened: Mapping[str, Account]
    changes: Mapping[str, AccountChange]

    async def discard(self) -> None:
        """Close what was made; nothing has changed."""
        for account in self.opened.values():
            await account.aclose()
        for change in self.changes.values():
            await change.discard()


@dataclass(frozen=True, slots=True)
class Polled:
    """One account and its poller."""

    account: Account
    poller: Poller


class Accounts:
    """Opens, changes and closes accounts until they are those of the settings."""

    def __init__(
        self, *, tracker: Tracker, journal: Journal, loops: Loops, world: World, log: FilteringBoundLogger
    ) -> None:
        self._tracker = tracker
        self._journal = journal
        self._loops = loops
        self._world = world
        self._log = log
        self._polled: dict[str, Polled] = {}
        self._cadences: dict[str, Cadence] = {}
        self._streamed: frozenset[str] = frozenset()

    @property
    def untried(self) -> list[str]:
        """The accounts that have tasks, none of which has been asked about yet."""
        return [name for name, polled in self._polled.items() if not polled.poller.has_tried]

    def account(self, name: str) -> Account:
        """An account in use."""
        return self._polled[name].account

    def poller_of(self, task: Task) -> Poller:
        """The poller of a task's account."""
        return self._polled[task.state.ref.account].poller

    def views(self) -> Iterator[AccountView]:
        """What /metrics shows of each."""
        return (_view(name, polled) for name, polled in self._polled.items())

    async def prepare(self, settings: Settings) -> PreparedAccounts:
        """Make what ``keep`` needs, off the event loop; raise DispatcherError, with nothing left over, if unable."""
        opened: dict[str, Account] = {}
        changes: dict[str, AccountChange] = {}
        try:
            for wanted in settings.accounts:
                polled = self._polled.get(wanted.name)
                if polled is None:
                    opened[wanted.name] = await self._opened(wanted)
                elif polled.account.settings != wanted:
                    changes[wanted.name] = await polled.account.prepare(wanted)
        except BaseException:
            await PreparedAccounts(opened, changes).discard()
            raise
        return PreparedAccounts(opened, changes)

    def keep(self, settings: Settings, prepared: PreparedAccounts) -> list[str]:
        """Poll new accounts, change those that differ; return the names of those to be closed. Cannot fail."""
        self._cadences = {group.name: Cadence(group.poll) for group in settings.task_groups}
        self._streamed = frozenset(group.name for group in settings.task_groups if group.stream)
        for account in {group.account for group in settings.task_groups if group.stream}:
            self._journal.foresee_requests(account, STREAM_ENDPOINT)
        for wanted in settings.accounts:
            if wanted.name in prepared.opened:
                self._poll(prepared.opened[wanted.name])
                continue
            poller, change = self._polled[wanted.name].poller, prepared.changes.get(wanted.name)
            if change:
                change.commit()
            poller.close_streams(unwanted_only=change is None)
        return [name for name in self._polled if name not in {account.name for account in settings.accounts}]

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

    async def _opened(self, settings: AccountSettings) -> Account:
        world = self._world
        return await Account.open(
            settings,
            clock=world.clock,
            requests=self._journal,
            logger=self._log,
            random=world.random,
            transport=world.transport,
            environ=world.environ,
            hide=world.hide,
        )

    def _poll(self, account: Account) -> None:
        name, world = account.settings.name, self._world
        poller = Poller(
            name,
            account,
            tracker=self._tracker,
            journal=self._journal,
            cadence_of=self._cadence_of,
            clock=world.clock,
            random=world.random.random,
            log=self._log,
            is_streamed=lambda task: task.labels.group in self._streamed,
        )
        self._polled[name] = Polled(account, poller)
        self._loops.start(_poll_loop(name), poller.run())
        self._loops.start(_key_loop(name), account.watch_key())

    def _cadence_of(self, task: Task) -> Cadence:
        # within a reload a stream may be closed whose group has just gone; the task goes next
        return self._cadences.get(task.labels.group, Cadence(PollSettings()))


def _view(name: str, polled: Polled) -> AccountView:
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
        requests_in_flight=account.in_flight,
        request_budget_ratio=poller.rate / may,
        attainable_interval=poller.tasks / may,
    )


def _attainable_rate(settings: AccountSettings, latency: float, *, streams: int) -> float:
    """Requests a second that the limits allow, given how long one takes and how many slots streams have taken."""
    by_latency = max(1, settings.max_in_flight - streams) / latency if latency else settings.max_requests_per_second
    return min(settings.max_requests_per_second, by_latency)


def _poll_loop(account: str) -> str:
    return f"poll {account}"


def _key_loop(account: str) -> str:
    return f"key {account}"
