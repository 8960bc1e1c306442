"""One replica's part in the protocol: a state machine without I/O, on a clock that its caller reads.

It hands out one step at a time, for somebody to put to the store, and takes in the answer; where none comes it is told
so, and asks again. Nothing follows from an answer that was given up: whatever the question did to the store, a look at
the store will tell. Between the steps it says to everybody in this process whether an account may be asked about, shown
or written.
"""

from collections.abc import Collection
from random import Random
from typing import Protocol

from exporter.replicas.balance import Balance
from exporter.replicas.holding import Holding
from exporter.replicas.lease import LEASE, RENEWALS, Fence, Lease, Member, Standing, owner_of, patience_with
from exporter.replicas.membership import Membership
from exporter.replicas.sightings import Sightings
from exporter.replicas.steps import (
    Answer,
    Enrol,
    Enrolled,
    Forget,
    Leave,
    Left,
    Look,
    Release,
    Released,
    Renew,
    Renewed,
    Seen,
    Step,
    Take,
    Taken,
)

LOOK_SECONDS = 0.5
"""How often a replica looks who owns what: so soon it sees that something was released."""


class Listener(Protocol):
    """Who follows accounts. It is told at once, and must not wait."""

    def gained(self, account: str) -> None:
        """The account is owned from now on: load what is known of it, and ask."""

    def leaving(self, account: str) -> None:
        """Ask nothing more, commit what is known, and then let the account go."""

    def lost(self, account: str) -> None:
        """The account is owned no more: forget its tasks and totals, and what of it is not durable.

        Whoever owns it next observes it again.
        """


class Replica:
    """The protocol as one process follows it. ``now`` is always this process's steady time in seconds."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        accounts: Collection[str],
        random: Random,
        lease: float = LEASE,
    ) -> None:
        self.owner = owner_of(name, lease, random.getrandbits(64))
        self._url = url
        self._accounts = tuple(accounts)
        self._listeners: list[Listener] = []
        self._random = random
        self._lease = lease
        self._held: dict[str, Holding] = {}
        self._releasing: dict[str, Release] = {}
        self._leases = Sightings[str, Lease]()
        self._members = Membership(self.owner, lease=lease)
        self._balance = Balance(self.owner, self._members, lease=lease, random=random)
        self._asked: Step | None = None
        self._asked_at = 0.0
        self._ready: list[Step] = []
        self._has_looked = False
        self._renew_at = self._look_at = self._pause_until = float("-inf")
        self._is_draining = False
        self._has_left = False

    def subscribe(self, listener: Listener) -> None:
        """Tell this one what becomes of accounts from now on."""
        self._listeners.append(listener)

    # ---- what others ask ---------------------------------------------------------------------------------------------

    def owns(self, account: str, *, now: float) -> bool:
        """Whether this process, and no other, owns the account now."""
        holding = self._held.get(account)
        return holding is not None and holding.holds(now=now)

    def may_send(self, account: str, timeout: float, *, now: float) -> bool:
        """Whether a request may be sent now that is given up after so many seconds."""
        holding = self._held.get(account)
        return holding is not None and holding.may_send(timeout, now=now)

    def may_show(self, account: str, scrape_timeout: float, *, now: float) -> bool:
        """Whether a scrape that has arrived by now, and may take so many seconds in all, may see the account."""
        holding = self._held.get(account)
        return holding is not None and holding.may_show(scrape_timeout, now=now)

    def other_owner(self, account: str, *, now: float) -> Member | None:
        """The other process that owns the account, as far as has been seen; None where none does that can be alive."""
        lease = self._leases.get(account)
        if lease is None or lease.owner in (None, self.owner) or account in self._held:
            return None
        if self._leases.unchanged_for(account, now=now) >= patience_with(lease.owner, lease=self._lease):
            return None
        return self._members.get(lease.owner) or Member(lease.owner, url="", beat=0)

    def deadline(self, account: str) -> float | None:
        """When everything that was begun for the account must have ended, streams too; None where it is not owned."""
        holding = self._held.get(account)
        return None if holding is None else holding.deadline

    @property
    def leaving(self) -> tuple[str, ...]:
        """The accounts that are being left, and have not been let go."""
        return tuple(holding.account for holding in self._held.values() if holding.is_leaving)

    def fence(self, account: str) -> Fence | None:
        """What the account's next commit begins with; None where it is not owned.

        It is there past the deadline, too: whether somebody else has come the store knows better.
        """
        holding = self._held.get(account)
        return None if holding is None else holding.fence

    def committed(self, fence: Fence) -> None:
        """What stood behind this fence is durable: the next commit has the next number."""
        holding = self._held.get(fence.account)
        if holding is not None and holding.fence == fence:
            holding.batch += 1

    def refused(self, fence: Fence) -> None:
        """The store has said at this fence that the account is somebody else's."""
        holding = self._held.get(fence.account)
        if holding is not None and holding.epoch == fence.epoch:
            self._lose(holding)

    @property
    def has_namesake(self) -> bool:
        """Whether another process of this name is at work: whoever balances takes the two for one replica."""
        return self._members.has_namesake

    # ---- what is wanted of it ----------------------------------------------------------------------------------------

    def configure(self, accounts: Collection[str]) -> None:
        """Share these accounts among the replicas, and no others."""
        self._accounts = tuple(accounts)
        self._look_at = float("-inf")
        wanted = frozenset(accounts)
        for holding in tuple(self._held.values()):
            if holding.account not in wanted:
                self._leave(holding)

    def let_go(self, account: str) -> None:
        """What was begun for an account that is being left has ended, and is durable: somebody else may have it."""
        holding = self._held.get(account)
        if holding is not None and holding.is_leaving:
            self._drop(holding)

    def drain(self) -> None:
        """Leave everything, for good."""
        self._is_draining = True
        for holding in tuple(self._held.values()):
            self._leave(holding)

    @property
    def is_drained(self) -> bool:
        """Whether the others know that this one has left, and may have everything."""
        return self._has_left and not self._held and not self._releasing

    # ---- the store ---------------------------------------------------------------------------------------------------

    def next_step(self, *, now: float) -> Step | None:
        """What to ask the store now; None: nothing yet, see ``idle``, or not before the step under way has ended."""
        self._drop_what_ran_out(now)
        if self._asked is not None or now < self._pause_until:
            return None
        self._asked, self._asked_at = self._next(now), now
        return self._asked

    def idle(self, *, now: float) -> float:
        """So many seconds there will be nothing to ask, unless something else is wanted meanwhile."""
        if self._is_draining:
            return LOOK_SECONDS
        return max(0.0, self._pause_until - now, min(self._renew_at, self._look_at) - now)

    def failed(self, step: Step, *, now: float) -> None:
        """No answer to this one is waited for any more. What it has done, or may still do, is not known."""
        if step is self._asked:
            self._asked = None
            self._pause_until = now + self._soon()

    def answered(self, step: Step, answer: Answer, *, now: float) -> None:
        """The store has answered; what nobody waits for any more says nothing."""
        if step is not self._asked:
            return
        self._asked = None
        match answer:
            case Renewed():
                self._renewed(answer)
            case Seen(look, standing):
                self._saw(look, standing, now)
            case Taken():
                self._took(answer, now)
            case Released(release):
                self._releasing.pop(release.account, None)
            case Enrolled():
                self._look_at = float("-inf")
            case Left():
                self._has_left = True

    def _next(self, now: float) -> Step | None:
        """First what is held, then what others wait for: they count on who is there, and take what is free."""
        if self._is_draining and not self._has_left:
            return Leave(self.owner)
        if now >= self._renew_at and not self._is_draining:  # however many are released, and however long it takes
            return Renew(self.owner, self._url, self._staying())
        if self._releasing:
            return next(iter(self._releasing.values()))
        if self._is_draining:
            return None
        if now >= self._look_at and not (self._ready and self._has_looked):
            return Look(self._accounts)
        self._has_looked = False  # something follows from each look, however long looking takes
        return self._ready.pop() if self._ready else None

    def _renewed(self, answer: Renewed) -> None:
        step = answer.step
        for account, epoch in step.held:
            holding = self._held.get(account)
            if account in answer.accounts and holding is not None and holding.epoch == epoch:
                holding.renewed(until=self._asked_at + self._lease)
        self._renew_at = self._asked_at + self._lease / RENEWALS

    def _took(self, answer: Taken, now: float) -> None:
        take, tenure = answer.step, answer.tenure
        if tenure is None:
            return
        account = take.lease.account
        if self._is_draining or account not in self._accounts:  # it was not wanted any more
            self._releasing[account] = Release(self.owner, account, tenure.epoch)
            return
        until = self._asked_at + self._lease
        self._held[account] = Holding(account, self.owner, tenure.epoch, tenure.batch, acquired_at=now, deadline=until)
        self._balance.gained(account, now=now)
        for listener in self._listeners:
            listener.gained(account)

    def _saw(self, look: Look, standing: Standing, now: float) -> None:
        self._look_at = now + self._soon()
        self._leases.see(standing.leases, now=now)
        if self._members.see(standing.members, now=now):
            self._balance.members_changed()
        for account in look.accounts:
            self._compare(account, standing.leases.get(account))
        self._ready, self._has_looked = self._reasons(look, now), True
        self._give(now)

    def _compare(self, account: str, lease: Lease | None) -> None:
        """Believe the store where it says other than this process thinks."""
        holding = self._held.get(account)
        is_mine = lease is not None and lease.owner == self.owner
        if holding is not None and not (lease is not None and is_mine and lease.epoch == holding.epoch):
            self._lose(holding)
        if lease is not None and is_mine and account not in self._held:  # taken or released, and the answer was lost
            self._releasing[account] = Release(self.owner, account, lease.epoch)

    def _reasons(self, look: Look, now: float) -> list[Step]:
        missing = tuple(account for account in look.accounts if account not in self._leases)
        dead = tuple(self._members.forgotten(now=now))
        takable = self._balance.to_take(self._leases, owned=len(self._staying()), now=now)
        return [
            *([Forget(dead)] if dead else []),
            *(Take(self.owner, lease) for lease in takable),
            *([Enrol(missing)] if missing else []),
        ]

    def _give(self, now: float) -> None:
        account = self._balance.to_give(self._leases, owned=dict(self._staying()), now=now)
        if account is not None:
            self._leave(self._held[account])

    # ---- what is held ------------------------------------------------------------------------------------------------

    def _staying(self) -> tuple[tuple[str, int], ...]:
        """The accounts that are to be owned further, each with its epoch."""
        return tuple((holding.account, holding.epoch) for holding in self._held.values() if not holding.is_leaving)

    def _leave(self, holding: Holding) -> None:
        if not holding.is_leaving:
            holding.is_leaving = True
            for listener in self._listeners:
                listener.leaving(holding.account)

    def _drop(self, holding: Holding) -> None:
        """Use it no more, and only then tell the store."""
        self._releasing[holding.account] = Release(self.owner, holding.account, holding.epoch)
        self._lose(holding)

    def _lose(self, holding: Holding) -> None:
        del self._held[holding.account]
        for listener in self._listeners:
            listener.lost(holding.account)

    def _drop_what_ran_out(self, now: float) -> None:
        """Whoever does not come to an end with an account that is being left has had its time."""
        for holding in tuple(self._held.values()):
            if holding.is_leaving and not holding.holds(now=now):
                self._drop(holding)

    def _soon(self) -> float:
        """A moment, never the same: replicas should not ask all at once."""
        return LOOK_SECONDS * self._random.uniform(0.5, 1.0)
