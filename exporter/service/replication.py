"""An exporter among others that share its ledger: the lease protocol, and what follows from it, put together."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from structlog.typing import FilteringBoundLogger

from exporter.ledger.ledger import Books
from exporter.ledger.opening import leases_at
from exporter.registration.others import OthersRegistrations
from exporter.replicas.keeper import Keeper
from exporter.replicas.lease import longest_answer
from exporter.replicas.replica import Replica
from exporter.replicas.store import LeaseStore
from exporter.service.dependencies import Dependencies
from exporter.service.loops import Loops
from exporter.service.sharing import Accounts, Lanes, Sharing
from exporter.settings.model import Settings
from exporter.settings.postgres import is_postgres
from exporter.threads import in_thread


class Itself(NamedTuple):
    """What one exporter is called among others, and where they find it; the URL may be empty."""

    name: str = "exporter"
    url: str = ""


class Leases(NamedTuple):
    """The protocol as this process follows it, and the store that it asks."""

    keeper: Keeper
    store: LeaseStore


def leases_of(
    settings: Settings, itself: Itself, dependencies: Dependencies, log: FilteringBoundLogger
) -> Leases | None:
    """Those of a ledger that others may share; None where this process has its ledger alone."""
    ledger = settings.ledger
    if not is_postgres(ledger.url):
        return None
    replica = Replica(
        itself.name,
        url=itself.url,
        accounts=[account.name for account in settings.accounts],
        random=dependencies.random,
        lease=ledger.lease,
    )
    store = leases_at(ledger.url, lease=ledger.lease)
    keeper = Keeper(replica, store, patience=longest_answer(ledger.lease), clock=dependencies.clock, log=log)
    return Leases(keeper, store)


class Replication:
    """Runs it. All methods belong to the event loop."""

    def __init__(
        self,
        leases: Leases,
        *,
        accounts: Accounts,
        lanes: Lanes,
        others: OthersRegistrations,
        follow: Callable[[frozenset[str]], Awaitable[None]],
        begun: Callable[[Books], None],
        dependencies: Dependencies,
        log: FilteringBoundLogger,
    ) -> None:
        self._keeper, self._store = leases
        self._others = others
        self._sharing = Sharing(
            accounts=accounts, lanes=lanes, follow=follow, begun=begun, clock=dependencies.clock, log=log
        )
        self._keeper.subscribe(self._sharing)
        self._is_running = False

    def start(self, loops: Loops) -> None:
        """Take part from now on."""
        self._is_running = True
        loops.start("leases", self._keeper.run())
        loops.start("sharing", self._sharing.run())
        loops.start("hand-overs", self._sharing.watch(self._keeper))
        loops.start("registrations of others", self._others.run())

    def has(self, account: str) -> bool:
        """Whether what is known of an account that is owned is here."""
        return self._sharing.has(account)

    def configure(self, settings: Settings) -> None:
        """Share the accounts of these settings."""
        self._keeper.configure([account.name for account in settings.accounts])

    async def drain(self, *, deadline: float) -> None:
        """Hand everything over, as long as that takes, so many seconds at most. The loops go on meanwhile."""
        if self._is_running:
            await self._keeper.drain(deadline=deadline)

    async def close(self) -> None:
        """Close the connection; the loops have been stopped."""
        await in_thread(self._store.close)
