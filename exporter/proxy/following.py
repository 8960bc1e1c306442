"""What the sidecar needs of a running exporter: whose key it is, where to, and the one way in for what was learnt."""

import ssl
from collections.abc import Callable, Sequence
from typing import Protocol

import httpx

from exporter.dispatcher.answer import Answer, DispatcherError
from exporter.intake.accounting import ExporterAccounting
from exporter.proxy.exchange import Upstream
from exporter.registration.registrar import Result
from exporter.settings.model import GroupSettings, Settings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.observation import Observation


class Keys(Protocol):
    """The accounts in use."""

    def owner(self, key: str) -> str | None: ...
    def make_way(self, name: str, error: DispatcherError) -> None: ...


class Tasks(Protocol):
    """The followed tasks."""

    def is_followed(self, ref: TaskRef) -> bool: ...


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
    def learn(self, ref: TaskRef, observation: Observation | None, *, is_query: bool) -> None: ...
    def count_proxied(self, in_flight: Callable[[], int]) -> None: ...


class ExporterFollowing:
    """A ``Following`` by a running exporter, whose settings may change; ``tls`` is for every https upstream."""

    def __init__(self, exporter: LearningExporter, *, tls: ssl.SSLContext) -> None:
        self._exporter = exporter
        self._tls = tls
        self._upstreams: dict[str, Upstream] = {}

    def owner(self, key: str) -> str | None:
        return self._exporter.accounts.owner(key)

    def upstream(self, account: str | None) -> Upstream:
        """Where an account's requests go; those of an unknown key go where the first account's do."""
        accounts = self._exporter.settings.accounts
        base_url = next((one.base_url for one in accounts if one.name == account), accounts[0].base_url)
        known = self._upstreams.get(base_url)
        if known is None:
            known = self._upstreams[base_url] = upstream_of(base_url, tls=self._tls)
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

    def answer(self, ref: TaskRef, answer: Answer, *, is_query: bool) -> None:
        self._exporter.learn(ref, answer.observation, is_query=is_query)

    def make_way(self, account: str, error: DispatcherError) -> None:
        self._exporter.accounts.make_way(account, error)


def upstream_of(base_url: str, *, tls: ssl.SSLContext) -> Upstream:
    """The server of a ``base_url``."""
    url = httpx.URL(base_url)
    is_https = url.scheme == "https"
    return Upstream(
        host=url.raw_host.decode("ascii"),
        port=url.port or (443 if is_https else 80),
        tls=tls if is_https else None,
        authority=url.netloc,
        prefix=url.raw_path.rstrip(b"/"),
    )


def _takes(group: GroupSettings, account: str) -> bool:
    return group.proxy_config is not None and group.account == account
