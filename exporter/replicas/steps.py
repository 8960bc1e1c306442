"""One step of the protocol: a question to the store, and its answer.

A thread puts the question (``ask``), and the state machine makes of the answer what follows.
"""

from dataclasses import dataclass

from exporter.replicas.lease import Lease, Member, Standing, Tenure
from exporter.replicas.store import LeaseStore


@dataclass(frozen=True, slots=True)
class Enrolled:
    """There are leases for all accounts that were named."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """These accounts were renewed, at the epochs that were named."""

    step: "Renew"
    accounts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """So everything stood, after it was asked for."""

    step: "Look"
    standing: Standing


@dataclass(frozen=True, slots=True)
class Taken:
    """The lease was taken, or not."""

    step: "Take"
    tenure: Tenure | None


@dataclass(frozen=True, slots=True)
class Released:
    """The lease is not this process's any more."""

    step: "Release"


@dataclass(frozen=True, slots=True)
class Left:
    """This process is a member no more."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The dead members are gone."""


Answer = Enrolled | Renewed | Seen | Taken | Released | Left | Forgotten


@dataclass(frozen=True, slots=True)
class Enrol:
    accounts: tuple[str, ...]

    def ask(self, store: LeaseStore) -> Enrolled:
        store.enrol(self.accounts)
        return Enrolled()


@dataclass(frozen=True, slots=True)
class Renew:
    owner: str
    url: str
    held: tuple[tuple[str, int], ...]
    """Accounts and epochs."""

    def ask(self, store: LeaseStore) -> Renewed:
        return Renewed(self, store.renew(self.owner, self.url, dict(self.held)))


@dataclass(frozen=True, slots=True)
class Look:
    accounts: tuple[str, ...]

    def ask(self, store: LeaseStore) -> Seen:
        return Seen(self, store.look(self.accounts))


@dataclass(frozen=True, slots=True)
class Take:
    owner: str
    lease: Lease

    def ask(self, store: LeaseStore) -> Taken:
        return Taken(self, store.take(self.owner, self.lease))


@dataclass(frozen=True, slots=True)
class Release:
    owner: str
    account: str
    epoch: int

    def ask(self, store: LeaseStore) -> Released:
        store.release(self.owner, self.account, self.epoch)
        return Released(self)


@dataclass(frozen=True, slots=True)
class Leave:
    owner: str

    def ask(self, store: LeaseStore) -> Left:
        store.leave(self.owner)
        return Left()


@dataclass(frozen=True, slots=True)
class Forget:
    members: tuple[Member, ...]

    def ask(self, store: LeaseStore) -> Forgotten:
        store.forget(self.members)
        return Forgotten()


Step = Enrol | Renew | Look | Take | Release | Leave | Forget
