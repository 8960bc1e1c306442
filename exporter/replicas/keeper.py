"""Runs one replica's part: the state machine on the event loop, each of its questions in a thread.

There is one question at a time. One that takes too long is interrupted, and waited for all the same: a thread that
hangs must not become two. Meanwhile the leases run out by the clock, whoever hangs.
"""

import asyncio
from collections.abc import Collection

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.replicas.lease import Fence, LeaseError, Member, replica_of
from exporter.replicas.replica import Listener, Replica
from exporter.replicas.steps import Answer, Step
from exporter.replicas.store import LeaseStore
from exporter.threads import in_thread

DRAIN_LOOK_SECONDS = 0.05
"""So often a drain looks whether it is over."""


class Keeper:
    """What the rest of the process asks, with the time filled in. All methods belong to the event loop.

    Time is steady: it goes on while the machine is asleep, as the leases do.
    """

    def __init__(
        self, replica: Replica, store: LeaseStore, *, patience: float, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._replica = replica
        self._store = store
        self._patience = patience
        self._clock = clock
        self._log = log
        self._is_wanted = asyncio.Event()
        self._failure = ""
        self._had_namesake = False

    def subscribe(self, listener: Listener) -> None:
        """Tell this one what becomes of accounts from now on."""
        self._replica.subscribe(listener)

    # ---- what others ask ---------------------------------------------------------------------------------------------

    def owns(self, account: str) -> bool:
        """Whether this process, and no other, owns the account now."""
        return self._replica.owns(account, now=self._clock.steady())

    def may_send(self, account: str, timeout: float) -> bool:
        """Whether a request may be sent now that is given up after so many seconds.

        Send it at once: whoever stands still in between sends one request too many.
        """
        return self._replica.may_send(account, timeout, now=self._clock.steady())

    def may_show(self, account: str, scrape_timeout: float) -> bool:
        """Whether a scrape that has arrived, and may take so many seconds in all, may see the account."""
        return self._replica.may_show(account, scrape_timeout, now=self._clock.steady())

    def other_owner(self, account: str) -> Member | None:
        """The other process that owns the account, as far as has been seen: nothing is asked for this."""
        return self._replica.other_owner(account, now=self._clock.steady())

    def time_left(self, account: str) -> float:
        """Seconds within which everything that was begun for the account must have ended; 0 where it is not owned."""
        deadline = self._replica.deadline(account)
        return 0.0 if deadline is None else max(0.0, deadline - self._clock.steady())

    @property
    def leaving(self) -> tuple[str, ...]:
        """The accounts that are being left, and have not been let go."""
        return self._replica.leaving

    def fence(self, account: str) -> Fence | None:
        """What the account's next commit begins with; None where it is not owned."""
        return self._replica.fence(account)

    def committed(self, fence: Fence) -> None:
        """What stood behind this fence is durable."""
        self._replica.committed(fence)

    def refused(self, fence: Fence) -> None:
        """The account was found to be somebody else's at this fence."""
        self._replica.refused(fence)

    # ---- what is wanted of it ----------------------------------------------------------------------------------------

    def configure(self, accounts: Collection[str]) -> None:
        """Share these accounts among the replicas, and no others."""
        self._replica.configure(accounts)
        self._is_wanted.set()

    def let_go(self, account: str) -> None:
        """Nothing of an account that is being left is under way any more."""
        self._replica.let_go(account)
        self._is_wanted.set()

    async def drain(self, *, deadline: float) -> bool:
        """Leave everything, so many seconds at most; say whether the others know. ``run`` has to go on meanwhile."""
        by = self._clock.monotonic() + deadline
        self._replica.drain()
        self._is_wanted.set()
        while not self._replica.is_drained:
            if (left := by - self._clock.monotonic()) <= 0:
                return False
            await self._clock.sleep(min(left, DRAIN_LOOK_SECONDS))
        return True

    # ---- the loop ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the protocol, for ever; it never raises."""
        while True:
            now = self._clock.steady()
            step = self._replica.next_step(now=now)
            if step is not None:
                await self._put(step)
            else:
                await self._clock.wait(self._is_wanted, self._replica.idle(now=now))
                self._is_wanted.clear()

    async def _put(self, step: Step) -> None:
        try:
            answer = await self._answer(step)
        except LeaseError as error:
            self._failed(step, str(error))
        except Exception as error:  # noqa: BLE001 - the loop must outlive whatever a driver raises
            self._failed(step, f"unexpected {type(error).__name__}: {error}")
        else:
            self._replica.answered(step, answer, now=self._clock.steady())
            self._tell_of_namesake()
            if self._failure:
                self._log.info("leases_recovered")
                self._failure = ""

    def _tell_of_namesake(self) -> None:
        """Nothing is counted twice by it; but the accounts are shared out wrongly."""
        if self._replica.has_namesake and not self._had_namesake:
            self._log.warning(
                "replica_id_used_twice",
                replica=replica_of(self._replica.owner),
                hint="another exporter at this ledger has the same name: give each a --replica.id of its own",
            )
        self._had_namesake = self._replica.has_namesake

    async def _answer(self, step: Step) -> Answer:
        """What the store answers; LeaseError where it cannot, or not in time."""
        asking = asyncio.create_task(in_thread(lambda: _ask(step, self._store)))
        try:
            if not await self._ends(asking):
                self._store.interrupt()
            return await asking
        except asyncio.CancelledError:
            self._store.interrupt()  # else whoever closes the connection next waits for as long as the server does
            raise

    async def _ends(self, asking: asyncio.Future[Answer]) -> bool:
        ended = asyncio.Event()
        asking.add_done_callback(lambda _: ended.set())
        return await self._clock.wait(ended, self._patience)

    def _failed(self, step: Step, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            self._log.error("leases_failing", error=reason)
        self._replica.failed(step, now=self._clock.steady())


def _ask(step: Step, store: LeaseStore) -> Answer:
    return step.ask(store)
