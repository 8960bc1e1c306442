"""Follows the lease protocol: begins with the accounts that this replica comes to own, comes to an end with those that
it gives away, and forgets those that it has lost.

To come to own an account is to this process what a start is, and to lose it what a crash is: what is known of it is
read from the ledger, and what is not durable is left to the next owner, who observes it again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.ledger.ledger import Books, LedgerError
from exporter.replicas.keeper import Keeper

LOOK_SECONDS = 0.25
"""So often it is looked whether streams outlive a lease."""

STREAM_MARGIN = 1.0
"""So many seconds before the end of a lease the streams of its account are closed."""

RETRY_SECONDS = 1.0
"""The wait after the ledger could not be read, or did not take what was left of an account."""


class Accounts(Protocol):
    """Whoever asks about the tasks of accounts."""

    def begin(self, name: str) -> None:
        """Ask about an account's tasks, as they come, if it is in use."""

    async def finish(self, name: str) -> None:
        """Ask nothing more of an account, and let the requests under way come to their end."""

    def close_streams(self, name: str) -> None:
        """End the streams of an account at once."""


class Lanes(Protocol):
    """What of the ledger's writer belongs to accounts."""

    async def gain(self, account: str) -> Books: ...
    def drop(self, account: str) -> None: ...
    async def flush(self, account: str | None = None) -> bool: ...


class Sharing:
    """A ``Listener`` of the protocol. All methods belong to the event loop.

    ``follow`` lets exactly the tasks of these accounts be followed; it may raise LedgerError, and is called again then.
    ``begun`` is told what an account had added up, before its tasks are followed.
    """

    def __init__(
        self,
        *,
        accounts: Accounts,
        lanes: Lanes,
        follow: Callable[[frozenset[str]], Awaitable[None]],
        begun: Callable[[Books], None],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._accounts = accounts
        self._lanes = lanes
        self._follow = follow
        self._begun = begun
        self._clock = clock
        self._log = log
        self._numbers = count()
        self._owned: dict[str, int] = {}  # each with a number that no earlier ownership had
        self._open: dict[str, int] = {}  # for which lanes are open
        self._followed: dict[str, int] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._has_changed = asyncio.Event()
        self._is_leaving = asyncio.Event()
        self._failure = ""
        self._failures: dict[str, int] = {}  # of accounts that could not be read, how often

    @property
    def followed(self) -> frozenset[str]:
        """The accounts whose tasks are followed."""
        return frozenset(self._followed)

    def has(self, account: str) -> bool:
        """Whether what an account has added up was read since it is owned, and its tasks are followed: before that
        there is nothing to be shown of it but zeros.
        """
        number = self._owned.get(account)
        return number is not None and number == self._open.get(account) == self._followed.get(account)

    # ---- the listener ------------------------------------------------------------------------------------------------

    def gained(self, account: str) -> None:
        self._owned[account] = next(self._numbers)
        self._has_changed.set()
        self._log.info("account_gained", account=account)

    def leaving(self, account: str) -> None:
        self._is_leaving.set()
        self._log.info("account_leaving", account=account)

    def lost(self, account: str) -> None:
        self._owned.pop(account, None)
        self._open.pop(account, None)
        self._failures.pop(account, None)
        if (ending := self._leaving.pop(account, None)) is not None:
            ending.cancel()
        self._lanes.drop(account)
        self._accounts.close_streams(account)
        self._has_changed.set()
        self._log.info("account_lost", account=account)

    # ---- the loops ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Let what is owned be followed, and nothing else, for ever; it never raises."""
        while True:
            is_settled = await self._try_to_settle()
            await self._clock.wait(self._has_changed, None if is_settled else RETRY_SECONDS)
            self._has_changed.clear()

    async def watch(self, keeper: Keeper) -> None:
        """Bring to an end what must end with a lease, for ever; it waits for no account that is being read."""
        try:
            while True:
                self._close_streams(keeper)
                self._leave(keeper)
                await self._clock.wait(self._is_leaving, LOOK_SECONDS)
                self._is_leaving.clear()
        finally:
            for ending in self._leaving.values():
                ending.cancel()

    async def _try_to_settle(self) -> bool:
        try:
            await self._settle()
        except LedgerError as error:
            self._failed(str(error))
            return False
        except Exception as error:  # noqa: BLE001 - a loop that died would look like accounts without tasks
            self._failed(f"unexpected {type(error).__name__}: {error}")
            return False
        self._failure = ""
        return True

    async def _settle(self) -> None:
        """Let exactly what is owned be followed: first forget what is not any more.

        Once that has failed the rest is tried one by one, and whatever failed comes last: what the ledger cannot read
        of one account holds up no other.
        """
        kept = {account: number for account, number in self._followed.items() if self._owned.get(account) == number}
        if kept != self._followed:
            await self._let_follow(kept)
        gained = {account: number for account, number in self._owned.items() if account not in self._followed}
        if not self._failure:
            await self._begin(gained)
            return
        for account in sorted(gained, key=lambda account: self._failures.get(account, 0)):
            try:
                await self._begin({account: gained[account]})
            except Exception:
                self._failures[account] = self._failures.get(account, 0) + 1
                raise

    async def _begin(self, gained: Mapping[str, int]) -> None:
        for account, number in gained.items():
            await self._open_lane(account, number)
        ready = {account: number for account, number in gained.items() if self._open.get(account) == number}
        if ready:
            for account in ready:
                self._accounts.begin(account)
            await self._let_follow({**self._followed, **ready})

    async def _open_lane(self, account: str, number: int) -> None:
        if self._open.get(account) == number:
            return
        try:
            books = await self._lanes.gain(account)
        except LedgerError:
            if self._owned.get(account) == number:
                raise
            return  # it was lost before it could be read, as in the turn of another one
        if self._owned.get(account) == number:
            self._open[account] = number
            self._begun(books)
        else:  # it was lost meanwhile, and perhaps gained again: that is another lane
            self._lanes.drop(account)

    async def _let_follow(self, wanted: Mapping[str, int]) -> None:
        await self._follow(frozenset(wanted))
        self._followed = dict(wanted)

    # ---- the end of an account ---------------------------------------------------------------------------------------

    def _leave(self, keeper: Keeper) -> None:
        for account in keeper.leaving:
            if account not in self._leaving:
                self._leaving[account] = asyncio.create_task(self._end(keeper, account), name=f"leave {account}")

    async def _end(self, keeper: Keeper, account: str) -> None:
        """Bring to an end what was begun for an account, make it durable, and let it go."""
        await self._accounts.finish(account)
        while account in self._open and not await self._lanes.flush(account):
            await self._clock.sleep(RETRY_SECONDS)  # the lease ends in any case
        self._leaving.pop(account, None)
        keeper.let_go(account)

    def _close_streams(self, keeper: Keeper) -> None:
        for account in self._open:
            if keeper.time_left(account) < STREAM_MARGIN:
                self._accounts.close_streams(account)

    def _failed(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            self._log.error("sharing_failing", error=reason)
