"""What the web needs of a running exporter; nothing here asks the upstream anything but ``accounts``, for a probe."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from exporter.clock import Clock
from exporter.dispatcher.account import Permit
from exporter.dispatcher.gate import Suspension
from exporter.metrics.snapshot import Snapshot
from exporter.registration.registrar import Registrar
from exporter.registration.registry import Registry
from exporter.service.exporter import Exporter
from exporter.settings.model import AccountSettings, Settings
from exporter.settings.reload import CurrentSettings, Difference
from exporter.tasks.identity import TaskRef
from exporter.tasks.view import TaskView


class RunningExporter(Protocol):
    """An exporter at work."""

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        ...

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it does not live as it should."""
        ...

    @property
    def unready(self) -> tuple[str, ...]:
        """What is missing before the metrics mean something."""
        ...

    def snapshot(self) -> Snapshot:
        """Everything that one scrape shows, at this instant."""
        ...

    async def reload(self, *, dry_run: bool = False) -> Difference:
        """Read the configuration again; raises ConfigError or LedgerError and changes nothing then."""
        ...


class TaskReader(Protocol):
    """The followed tasks, read in slices: a view is frozen and may be kept, while the task comes and goes."""

    def find(self, ref: TaskRef) -> TaskView | None:
        """The task that goes by one of these ids, if there is one."""
        ...

    def views(self, *, after: int = -1, limit: int) -> Sequence[TaskView]:
        """The next so many tasks behind that number, in the order of their numbers."""
        ...


class AskableAccount(Protocol):
    """An account that a probe may ask."""

    settings: AccountSettings

    @property
    def suspension(self) -> Suspension | None: ...
    def permit(self) -> AbstractAsyncContextManager[Permit]: ...


class AskableAccounts(Protocol):
    """The accounts in use, by name."""

    def account(self, name: str) -> AskableAccount: ...


@dataclass(frozen=True, slots=True)
class ApiDependencies:
    """The parts of an exporter that answer the API's questions and take its orders."""

    settings: CurrentSettings
    tasks: TaskReader
    registry: Registry
    registrar: Registrar
    accounts: AskableAccounts
    clock: Clock

    @classmethod
    def of(cls, exporter: Exporter) -> Self:
        """Those of a whole exporter."""
        return cls(
            exporter.current_settings,
            exporter.tasks,
            exporter.registry,
            exporter.registrar,
            exporter.accounts,
            exporter.clock,
        )
