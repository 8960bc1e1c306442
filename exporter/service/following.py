"""From the lists of all sources to what is polled and remembered."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from exporter.clock import Clock
from exporter.ledger.writer import LedgerWriter
from exporter.service.accounts import Accounts
from exporter.service.journal import Journal
from exporter.tasks.item import Item
from exporter.tasks.tracker import Change, Tracker

Lists = Mapping[str, Sequence[Item]]
"""What each source names, by the source's name."""


class Following:
    """Takes one new set of lists after the other."""

    def __init__(
        self, *, tracker: Tracker, writer: LedgerWriter, journal: Journal, accounts: Accounts, clock: Clock
    ) -> None:
        self._tracker = tracker
        self._writer = writer
        self._journal = journal
        self._accounts = accounts
        self._clock = clock
        self._turn = asyncio.Lock()

    async def assign(self, lists: Callable[[], Lists], *, adopt: Callable[[], None] = lambda: None) -> Change:
        """Let each of these sources name exactly these items; raise LedgerError, with nothing changed, if unable.

        ``lists`` is asked when the turn has come. ``adopt`` is called when nothing can fail any more, right before the
        lists take effect, with no await in between.
        """
        async with self._turn:
            wanted = lists()
            new = [item.ref for items in wanted.values() for item in items if self._tracker.find(item.ref) is None]
            remembered = await self._writer.recall(new)
            adopt()
            bounded = {source: [self._journal.admitted(item) for item in items] for source, items in wanted.items()}
            change = self._tracker.assign(bounded, now=self._clock.wall(), remembered=remembered)
            self._poll(change)
            return change

    def _poll(self, change: Change) -> None:
        for task in change.dropped:
            self._accounts.poller_of(task).drop(task)
        for task in change.followed:
            if not task.state.is_terminal:
                self._journal.began(task)
                self._accounts.poller_of(task).follow(task)
