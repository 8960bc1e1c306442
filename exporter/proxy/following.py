"""What the sidecar needs of a running exporter: whose key it is, where to, and the one way in for what was learnt."""

import ssl
from collections.abc import Callable, Sequence
from typing import Protocol

from exporter.clock import Clock
from exporter.dispatcher.answer import Answer, DispatcherError
from exporter.intake.accounting import ExporterAccounting
from exporter.intake.intake import Confirmed, Consumer
from exporter.metrics.families.proxy import Asker
from exporter.outbound import Outbound
from exporter.proxy.first_polls import FirstPolls
from exporter.proxy.reaching import Upstream, upstream_of
from exporter.registration.registrar import Result
from exporter.settings.model import GroupSettings, Settings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.observation import Observation
from exporter.tasks.view import TaskView


class Keys(Protocol):
    """The accounts in use."""

    def owner(self, key: str) -> str | None: ...
    def make_way(self, name: str, error: DispatcherError) -> None: ...


class Tasks(Protocol):
    """The followed tasks."""

    def is_followed(self, ref: TaskRef) -> bool: ...
    def find(self, ref: TaskRef) -> TaskView | None: ...


class Registrations(Protocol):
    """Tasks that are followed because somebody asked for them."""

    async def register(self, registrations: Sequence[Registration]) -> Sequence[Result]: ...


class LearningExporter(Protocol):
    """A running exporter, as far as the sidecar asks it."""

    @property
    def settings(self) -> Settings: ...
    @property
    def accounts(self) -> Keys: ...
    @property
    def tasks(self) -> Tasks: ...
    @property
    def registrations(self) -> Registrations: ...
    @property
    def accounting(self) -> ExporterAccounting: ...
    @property
    def clock(self) -> Clock: ...
    def learn(self, ref: TaskRef, observation: Observation | None, *, is_query: bool) -> None: ...
    def count_proxied(self, in_flight: Callable[[], int]) -> None: ...
    def subscribe(self, consumer: Consumer, *, confirmed: Confirmed) -> None: ...


class ExporterFollowing:
    """A ``Following`` by a running exporter, whose settings may change.

    ``outbound`` says through which proxy an upstream is reached, and ``tls`` is for every one that speaks it.
    """

    def __init__(self, exporter: LearningExporter, *, outbound: Outbound, tls: ssl.SSLContext) -> None:
        self._exporter = exporter
        self._outbound = outbound
        self._tls = tls
        self._upstreams: dict[str, Upstream] = {}
        self._first_polls = FirstPolls(exporter.accounting.first_polled, clock=exporter.clock)
        exporter.subscribe(self._first_polls.take, confirmed=self._first_polls.confirmed)

    def owner(self, key: str) -> str | None:
        return self._exporter.accounts.owner(key)

    def upstream(self, account: str | None) -> Upstream:
        """Where an account's requests go; those of an unknown key go where the first account's do."""
        accounts = self._exporter.settings.accounts
        base_url = next((one.base_url for one in accounts if one.name == account), accounts[0].base_url)
        known = self._upstreams.get(base_url)
        if known is None:
            proxy = self._outbound.proxy_for(base_url)
            known = self._upstreams[base_url] = upstream_of(base_url, tls=self._tls, proxy=proxy)
        return known

    def group_of(self, account: str, model: str) -> str | None:
        """The group of that very model comes first, then one that names none, then any that takes what is learnt."""
        groups = [group for group in self._exporter.settings.task_groups if _takes(group, account)]
        fitting = sorted(groups, key=lambda group: (group.model != model, group.model != ""))
        return fitting[0].name if fitting else None

    def is_followed(self, ref: TaskRef) -> bool:
        return self._exporter.tasks.is_followed(ref)

    async def register(self, registration: Registration) -> None:
        await self._exporter.registrations.register([registration])

    def submitted(self, ref: TaskRef) -> None:
        task = self._exporter.tasks.find(ref)
        if task is not None:
            self._first_polls.submitted(ref.account, task.number)

    def answer(self, ref: TaskRef, answer: Answer, *, is_query: bool) -> None:
        task = self._exporter.tasks.find(ref) if self._first_polls.are_awaited else None
        if task is not None:  # before it is taken: else it would seem to be ours
            self._first_polls.answered(task.number, Asker.APPLICATION)
        self._exporter.learn(ref, answer.observation, is_query=is_query)

    def make_way(self, account: str, error: DispatcherError) -> None:
        self._exporter.accounts.make_way(account, error)


def _takes(group: GroupSettings, account: str) -> bool:
    return group.proxy_config is not None and group.account == account
