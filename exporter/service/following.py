"""From the lists of all sources to what is polled and remembered."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from exporter.clock import Clock
from exporter.ledger.writer import LedgerWriter
from exporter.service.accounts import Accounts
from exporter.service.journal import Journal
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item
from exporter.tasks.state import TaskState
from exporter.tasks.tracker import Change, Tracker

T = TypeVar("T")

Lists = Mapping[str, Sequence[Item]]
"""What each source names, by the source's name."""

SLICE = 500
"""So many tasks are taken or dropped before the event loop comes round again."""


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
        self.turn = asyncio.Lock()
        """Held by whoever changes what is followed; ``assign`` takes it by itself."""

    async def assign(
        self, lists: Callable[[], Lists], *, drops: bool = True, adopt: Callable[[], None] = lambda: None
    ) -> None:
        """Let each of these sources name exactly these items; raise LedgerError, with nothing changed, if unable.

        ``lists`` is asked when the turn has come. ``adopt`` is called when nothing can fail any more, right before the
        lists take effect, with no await in between. Unless it ``drops``, each source goes on naming what it named
        before, too.
        """
        async with self.turn:
            wanted = lists()
            new = [item.ref for items in wanted.values() for item in items if self._tracker.find(item.ref) is None]
            remembered = await self._writer.recall(new)
            adopt()
            bounded = {source: [self._journal.admitted(item) for item in items] for source, items in wanted.items()}
            now = self._clock.wall()
            if drops:
                self._poll(self._tracker.assign(bounded, now=now, remembered=remembered))
                return
            for source, items in bounded.items():
                self._poll(self._tracker.amend(source, add=items, now=now, remembered=remembered))

    async def add(self, source: str, items: Sequence[Item], known: Mapping[TaskRef, TaskState]) -> None:
        """Let a source name these items too; the ledger knows of all. The caller holds the turn."""
        for some in _slices(items):
            admitted = [self._journal.admitted(item) for item in some]
            change = self._tracker.amend(source, add=admitted, now=self._clock.wall(), remembered=known)
            self._poll(change, is_recorded=True)
            await asyncio.sleep(0)

    async def drop(self, source: str, refs: Sequence[TaskRef]) -> None:
        """Let a source name these no more. The caller holds the turn."""
        for some in _slices(refs):
            self._poll(self._tracker.amend(source, drop=some, now=self._clock.wall()))
            await asyncio.sleep(0)

    def _poll(self, change: Change, *, is_recorded: bool = False) -> None:
        for task in change.dropped:
            self._accounts.poller_of(task).drop(task)
        for task in change.followed:
            if not task.state.is_terminal:
                if not is_recorded:
                    self._journal.began(task)
                self._accounts.poller_of(task).follow(task)


def _slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[at : at + SLICE] for at in range(0, len(values), SLICE))
