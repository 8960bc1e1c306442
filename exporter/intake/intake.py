"""Lists and answers go in, changes come out: to the schedule, the streams, the ledger, and whoever else subscribes.

A new origin of answers or of tasks calls the same few methods as every other. Long lists are taken in slices, between
which the event loop comes round.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.ledger.ledger import LedgerError
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation
from exporter.tasks.state import TaskState
from exporter.tasks.tracker import Change, ChangeKind, Tracker

T = TypeVar("T")

SLICE = 200
"""So many tasks are taken or dropped before the event loop comes round again."""

Consumer = Callable[[Change], None]

Confirmed = Callable[[str, int], None]
"""Account and number of a task of which an answer to a query said what the last one had said."""

Lists = Mapping[str, Sequence[Item]]
"""What each source names, by the source's name."""

Memory = Mapping[TaskRef, TaskState]
"""What is known of tasks from earlier, by the reference that they are asked for by."""


class Recall(Protocol):
    """What the intake needs of the ledger."""

    @property
    def is_full(self) -> bool: ...
    async def recall(self, refs: Sequence[TaskRef]) -> Memory: ...


class Bounds(Protocol):
    """What the intake needs of the limits of labels."""

    def admission(self) -> AbstractContextManager[Callable[[TaskLabels], TaskLabels]]: ...
    def released(self) -> None: ...


class Intake:
    """Takes one thing after the other. Whoever changes what is followed holds ``changing`` while doing so."""

    def __init__(
        self, tracker: Tracker, *, ledger: Recall, bounds: Bounds, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._tracker = tracker
        self._ledger = ledger
        self._bounds = bounds
        self._clock = clock
        self._log = log
        self._consumers: list[Consumer] = []
        self._witnesses: list[Consumer] = []
        self._confirmed: list[Confirmed] = []
        self.changing = asyncio.Lock()

    def subscribe(self, consumer: Consumer) -> None:
        """Tell this one of every change from now on, after those that came before it."""
        self._consumers.append(consumer)
        self._witnesses.append(consumer)

    def subscribe_to_news(self, consumer: Consumer, *, confirmed: Confirmed | None = None) -> None:
        """The same, for one to whom an answer that says what the last one said is no change.

        Nearly every answer is such a one. ``confirmed`` is told of those to queries; where nobody wants more, no change
        is made of them.
        """
        self._consumers.append(consumer)
        if confirmed is not None:
            self._confirmed.append(confirmed)

    # ---- answers ---------------------------------------------------------------------------------------------------

    def answer(self, ref: TaskRef, observation: Observation | None, *, is_query: bool = True) -> None:
        """Take a validated answer on one task; None: the API does not know it.

        ``is_query`` is false of one that came on its own, as over a stream: it does not put off the next poll.
        """
        now = self._clock.wall()
        if observation is None:
            self._publish(self._tracker.miss(ref, now=now))
        elif (number := self._tracker.confirm(ref, observation, now=now)) is None:
            self._publish(self._tracker.observe(ref, observation, now=now, is_query=is_query))
        else:
            self._publish_again(ref.account, number, is_query=is_query)

    # ---- lists -----------------------------------------------------------------------------------------------------

    async def recall(self, lists: Lists) -> Memory:
        """What is known of all that these lists name anew; raises LedgerError where that cannot be read."""
        memory: dict[TaskRef, TaskState] = {}
        for items in lists.values():
            for some in _slices(items):
                memory |= await self._recall(some)
                await asyncio.sleep(0)  # where all are followed, nothing was waited for
        return memory

    async def replace(self, lists: Lists, memory: Memory | None = None, *, drops: bool = True) -> None:
        """Let each of these sources ask for exactly these items; without ``drops``, for these besides those it has.

        The caller holds ``changing``.

        All wishes are taken before any is dropped, so that a task may move between sources without being forgotten.
        Raises LedgerError where no ``memory`` is given and the ledger cannot be read: then nothing is dropped, and the
        same list may be given again.
        """
        rounds = {source: self._tracker.begin_round() for source in lists}
        for source, items in lists.items():
            for some in _slices(items):
                self._claim(source, some, await self._recall(some) if memory is None else memory, rounds[source])
                await asyncio.sleep(0)
        for source, round_ in rounds.items() if drops else ():
            for refs in _slices(self._tracker.claimed(source)):
                stays = self._tracker.is_claimed_since
                self._release(source, [ref for ref in refs if not stays(source, ref, round_=round_)])
                await asyncio.sleep(0)

    async def add(self, source: str, items: Sequence[Item], memory: Memory) -> None:
        """Let a source ask for these items besides those it has. The caller holds ``changing``."""
        for some in _slices(items):
            self._claim(source, some, memory, self._tracker.begin_round())
            await asyncio.sleep(0)

    async def drop(self, source: str, refs: Sequence[TaskRef]) -> None:
        """Let a source ask for these no more. The caller holds ``changing``."""
        for some in _slices(refs):
            self._release(source, some)
            await asyncio.sleep(0)

    async def recount(self) -> None:
        """Count every task by the tracker's rules, which have changed."""
        after: int | None = -1
        while after is not None:
            after = self._tracker.recount(after=after, limit=SLICE, now=self._clock.wall())
            await asyncio.sleep(0)

    async def _recall(self, items: Sequence[Item]) -> Memory:
        new = [item.ref for item in items if not self._tracker.is_followed(item.ref)]
        if new and self._ledger.is_full:
            raise LedgerError(
                "too much waits to be written to the ledger: new tasks are taken when it takes them again"
            )
        return await self._ledger.recall(new) if new else {}

    def _claim(self, source: str, items: Iterable[Item], memory: Memory, round_: int) -> None:
        now = self._clock.wall()
        with self._bounds.admission() as admitted:
            for item in items:
                labels = admitted(item.labels)
                bounded = item if labels == item.labels else replace(item, labels=labels)
                change = self._tracker.claim(source, bounded, now=now, round_=round_, remembered=memory.get(item.ref))
                self._publish([change] if change else [])

    def _release(self, source: str, refs: Iterable[TaskRef]) -> None:
        now = self._clock.wall()
        for ref in refs:
            change = self._tracker.release(source, ref, now=now)
            self._publish([change] if change else [])
        self._bounds.released()

    def _publish(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._tell(self._consumers, change)

    def _publish_again(self, account: str, number: int, *, is_query: bool) -> None:
        """An answer has said of a task what the last one said."""
        for confirmed in self._confirmed if is_query else ():
            try:
                confirmed(account, number)
            except Exception:  # noqa: BLE001 - what one cannot take, the others still must
                self._log.exception("change_not_taken", task=number, kind="confirmed")
        if self._witnesses and (task := self._tracker.view(number)) is not None:
            self._tell(self._witnesses, Change(ChangeKind.ANSWERED, task, is_query=is_query))

    def _tell(self, consumers: Iterable[Consumer], change: Change) -> None:
        for consumer in consumers:
            try:
                consumer(change)
            except Exception:  # noqa: BLE001 - what one cannot take, the others still must
                self._log.exception("change_not_taken", task=str(change.task.state.ref), kind=str(change.kind))


def _slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[at : at + SLICE] for at in range(0, len(values), SLICE))
