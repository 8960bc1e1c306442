"""Everything one scrape shows, frozen at one instant; the collector turns it into families and reads nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.accounting.series import Exemplar, Series
from exporter.dispatcher.answer import Quota
from exporter.ledger.ledger import LedgerView
from exporter.metrics.traffic import TrafficView
from exporter.tasks.census import Census
from exporter.tasks.item import TaskLabels


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account. ``suspended`` is the reason polling is held back for, None while it is not.

    ``request_budget_ratio`` is the request rate that the followed tasks ask for / the rate that may be sent.
    ``attainable_interval`` is the best mean interval (seconds) at which the open tasks could all be polled.
    ``oldest_due_at`` is when the longest-due poll became due (Unix seconds), None where none is due.
    """

    name: str
    up: bool = False
    last_success_at: float | None = None
    suspended: str | None = None
    quota: Quota = Quota()
    tasks_due: int = 0
    oldest_due_at: float | None = None
    requests_in_flight: int = 0
    request_budget_ratio: float = 0.0
    attainable_interval: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceView:
    """One mechanism of discovery in one group; ``last_refresh_at`` is Unix seconds of the last good refresh."""

    group: str
    mechanism: str
    last_refresh_at: float | None = None


@dataclass(frozen=True, slots=True)
class ConfigView:
    """The configuration in force and whether the last attempt to load one succeeded.

    ``sha256`` is the fingerprint of the one in force, empty as long as none is.
    """

    last_reload_successful: bool = True
    last_reload_success_at: float = 0.0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class BuildView:
    """What is running."""

    version: str
    revision: str
    python_version: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One instant of the exporter.

    ``label_names`` are the declared user labels, sorted. ``known`` are the label sets that every aggregate shows even
    where nothing has happened: they start at 0. ``totals`` are the committed counts, ``exemplars`` their latest events.
    ``accounts`` are those that are shown here, and ``known`` sets of theirs. ``owned`` says of every account that is
    configured whether this exporter, and no other, asks about its tasks; empty where there is no other.
    ``proxied`` are the requests that are passing through the sidecar, None where there is none.
    """

    census: Census
    build: BuildView
    label_names: tuple[str, ...] = ()
    known: tuple[TaskLabels, ...] = ()
    totals: Mapping[Series, float] = field(default_factory=dict)
    exemplars: Mapping[Series, Exemplar] = field(default_factory=dict)
    accounts: tuple[AccountView, ...] = ()
    owned: Mapping[str, bool] = field(default_factory=dict)
    ledger: LedgerView = LedgerView()
    sources: tuple[SourceView, ...] = ()
    config: ConfigView = ConfigView()
    proxied: int | None = None
    traffic: TrafficView = TrafficView()

    @property
    def ownership(self) -> Mapping[str, bool]:
        """Of every configured account, whether this exporter owns it."""
        return self.owned or {account.name: True for account in self.accounts}
