"""What the web asks of the exporter behind it. Whoever answers it knows nothing of HTTP, nor the web of how it is done.

Nothing here blocks, and all of it belongs to the event loop. What is handed out is frozen: it may be kept across an
await, and it may be read in a thread.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from exporter.accounting.series import Series
from exporter.clock import Clock
from exporter.dispatcher.account import Account
from exporter.intake.answers import LastAnswer
from exporter.metrics.families.own import Credential
from exporter.metrics.history import Recent
from exporter.metrics.snapshot import Snapshot
from exporter.polling.poller import Outlook
from exporter.registration.registrar import Result
from exporter.service.elsewhere import KeptTask, Owner
from exporter.settings.model import GroupSettings, Settings
from exporter.settings.reload import Difference
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.view import TaskView


class TaskReader(Protocol):
    """The followed tasks, to be read."""

    def find(self, ref: TaskRef) -> TaskView | None:
        """The task that goes by one of these ids; None where no such task is followed."""
        ...

    def views(self, *, after: int = -1, limit: int) -> Sequence[TaskView]:
        """The tasks whose numbers come next after this one, ascending; none where there are no more.

        It seeks: its cost is that of the limit, however many tasks there are.
        """
        ...


class Registrations(Protocol):
    """The tasks that are followed because somebody asked for them over HTTP."""

    async def register(self, registrations: Sequence[Registration]) -> Sequence[Result]:
        """Make all of them durable and follow them, and say of each what became of it.

        Raises RegistrationError or LedgerError, with none of them registered.
        """
        ...

    async def unregister(self, registrations: Sequence[Registration]) -> None:
        """Give these up; a task that another source names is followed on. Raises LedgerError, with nothing changed."""
        ...

    async def catch_up(self) -> None:
        """Know what has been registered at any exporter by now, where several share a ledger; or LedgerError."""
        ...

    def naming(self, refs: Sequence[TaskRef]) -> Sequence[Registration]:
        """The registrations, of any group, that were made under one of these references, each of a single id."""
        ...

    def hint(self, group: GroupSettings, ref: TaskRef) -> None:
        """Ask about a task soon, and where nobody follows it register it, if the group allows that. It never fails."""
        ...


class Elsewhere(Protocol):
    """What other exporters follow, where several share a ledger; nothing where none do."""

    def accounts(self) -> Mapping[str, Owner | None]:
        """The configured accounts whose tasks are not followed here, each with whoever is known to own it."""
        ...

    async def find(self, refs: Sequence[TaskRef]) -> Sequence[KeptTask]:
        """The tasks of these accounts that go by these ids, as the ledger has them; LedgerError where it cannot be
        read."""
        ...


class Answers(Protocol):
    """The last answers as they came, of some tasks."""

    def get(self, number: int, /) -> LastAnswer | None:
        """The last one that said something new of the task of this number, where it is kept."""
        ...


class Accounts(Protocol):
    """The configured accounts in use."""

    def outlook(self, account: str, number: int) -> Outlook | None:
        """How the polling of an account's task goes on; None where there is no such account."""
        ...

    def may_ask(self, name: str) -> bool:
        """Whether a request of it may be sent now: another exporter may have it; KeyError likewise."""
        ...

    def account(self, name: str) -> Account:
        """The account of the settings in force that has this name; KeyError where there is none."""
        ...


class Secrets(Protocol):
    """What must be neither shown nor taken for anything else."""

    def hide(self, value: str) -> None:
        """Know one more."""
        ...

    def holds(self, text: str) -> bool:
        """Whether a text is or holds one of them."""
        ...

    def may_be_among(self, texts: Sequence[str]) -> bool:
        """Whether any of these texts may be or hold one of them: false only where none does."""
        ...

    def mask(self, text: str) -> str:
        """The text without any of them."""
        ...

    def refresh(self) -> None:
        """Look at those in files again; it blocks."""
        ...


class RunningExporter(Protocol):
    """An exporter at work. Apart from its accounts, nothing here asks the upstream anything."""

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        ...

    @property
    def clock(self) -> Clock:
        """The time that everything in it goes by."""
        ...

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it does not live as it should; empty where it does."""
        ...

    @property
    def unready(self) -> tuple[str, ...]:
        """What is missing before the metrics mean something; empty where nothing is."""
        ...

    @property
    def recent(self) -> Recent:
        """The last hour, as far as it is remembered."""
        ...

    @property
    def tasks(self) -> TaskReader: ...

    @property
    def answers(self) -> Answers: ...

    @property
    def registrations(self) -> Registrations: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def elsewhere(self) -> Elsewhere: ...

    @property
    def secrets(self) -> Secrets: ...

    def snapshot(self, scrape_timeout: float = 0.0) -> Snapshot:
        """Everything shown at this instant to a scrape that may take so many seconds, or to people."""
        ...

    def announced(self, series: Sequence[Series]) -> None:
        """A scrape has shown these stored series at 0: the next ones may show what they count."""
        ...

    def credentials_refused(self, kind: Credential) -> None:
        """Count a request that brought wrong credentials."""
        ...

    async def reload(self, *, dry_run: bool = False) -> Difference:
        """Read the configuration again; raises ConfigError or LedgerError, and the old one goes on then."""
        ...
