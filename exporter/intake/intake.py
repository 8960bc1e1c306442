"""Lists and answers go in, changes come out: to the schedule, the streams, the ledger, and whoever else subscribes.

A new origin of answers or of tasks calls the same few methods as every other. Long lists are taken in turns, between
which the event loop comes round: no turn is longer than ``TURN``, whatever each task costs.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, islice, pairwise
from typing import Protocol, TypeVar

from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.ledger.ledger import LedgerError, LedgerView
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation
from exporter.tasks.state import TaskState
from exporter.tasks.tracker import Change, ChangeKind, Tracker

T = TypeVar("T")

TURN = 0.001
"""So many seconds tasks are taken or dropped before the event loop comes round again."""

SLICE = 200
"""So many tasks are taken or dropped before it does, however fast that goes."""

RECALLED = 500
"""So many tasks are looked up in the ledger at once."""

RECOUNTED = 20
"""So many are counted anew between two looks at the time."""

ROOM_PATIENCE = 30.0
"""So many seconds a list waits for a full ledger to make room, as long as its commits succeed."""

ROOM_INTERVAL = 0.05
"""The seconds between two looks whether there is room."""

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
    @property
    def view(self) -> LedgerView: ...
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
            return
        taken = self._tracker.take(ref, observation, now=now, is_query=is_query)
        if isinstance(taken, int):
            self._publish_again(ref.account, taken, is_query=is_query)
        else:
            self._publish(taken)

    # ---- lists -----------------------------------------------------------------------------------------------------

    async def recall(self, lists: Lists) -> Memory:
        """What is known of all that these lists name anew; raises LedgerError where that cannot be read."""
        memory: dict[TaskRef, TaskState] = {}
        for items in lists.values():
            for some in _slices(items):
                memory |= await self._recall(some)
        return memory

    async def replace(self, lists: Lists, memory: Memory | None = None, *, drops: bool = True) -> None:
        """Let each of these sources ask for exactly these items; without ``drops``, for these besides those it has.

        The caller holds ``changing``.

        All wishes are taken before any is dropped, so that a task may move between sources without being forgotten.
        Raises LedgerError where no ``memory`` is given and the ledger cannot be read: then nothing is dropped, and the
        same list may be given again.
        """
        rounds = {source: self._tracker.begin_round() for source in lists}
        had = self._tracker.sources  # who asked for nothing before asks for nothing that his list does not name
        for source, items in lists.items():
            if memory is None:
                await self._recall_and_claim(source, items, rounds[source])
            else:
                await self._claim(source, items, memory, rounds[source])
        for source in [source for source in lists if drops and source in had]:
            await self._release(source, self._unclaimed(source, rounds[source]))

    async def add(self, source: str, items: Sequence[Item], memory: Memory) -> None:
        """Let a source ask for these items besides those it has. The caller holds ``changing``."""
        await self._claim(source, items, memory, self._tracker.begin_round())

    async def drop(self, source: str, refs: Sequence[TaskRef]) -> None:
        """Let a source ask for these no more. The caller holds ``changing``."""
        await self._release(source, refs)

    async def recount(self) -> None:
        """Count every task by the tracker's rules, which have changed."""
        after: int | None = -1
        while after is not None:
            for _ in self._in_time(range(SLICE // RECOUNTED)):
                after = self._tracker.recount(after=after, limit=RECOUNTED, now=self._clock.wall())
                if after is None:
                    break
            await asyncio.sleep(0)

    async def redate(self) -> None:
        """Put the times of every task right, for the clock has stepped; raises LedgerError where the ledger is full."""
        after: int | None = -1
        while after is not None:
            await self._room()
            for _ in self._in_time(range(SLICE // RECOUNTED)):
                after, changes = self._tracker.redate(after=after, limit=RECOUNTED, now=self._clock.wall())
                self._publish(changes)
                if after is None:
                    break
            await asyncio.sleep(0)

    async def _recall_and_claim(self, source: str, items: Sequence[Item], round_: int) -> None:
        """Look the next items up in the ledger, which has a thread of its own, while some are taken."""
        recalling: asyncio.Task[Memory] | None = None
        try:
            for some, following in pairwise(chain(_slices(items), [()])):
                known = await (recalling or self._recall(some))
                recalling = asyncio.create_task(self._recall(following)) if following else None
                await self._claim(source, some, known, round_)
        finally:
            if recalling is not None:
                recalling.cancel()
                await asyncio.gather(recalling, return_exceptions=True)

    async def _recall(self, items: Sequence[Item]) -> Memory:
        new = [item.ref for item in items if not self._tracker.is_followed(item.ref)]
        if not new:
            await asyncio.sleep(0)
            return {}
        await self._room()
        return await self._ledger.recall(new)

    async def _room(self) -> None:
        """Wait while more arrives than the ledger takes; raise LedgerError where waiting would not help."""
        by = self._clock.monotonic() + ROOM_PATIENCE
        while self._ledger.is_full:
            if self._ledger.view.failing or self._clock.monotonic() >= by:
                raise LedgerError(
                    "too much waits to be written to the ledger: new tasks are taken when it takes them again"
                )
            await self._clock.sleep(ROOM_INTERVAL)

    async def _claim(self, source: str, items: Sequence[Item], memory: Memory, round_: int) -> None:
        def claim(some: Iterator[Item]) -> None:
            now, labels = self._clock.wall(), None
            with self._bounds.admission() as admitted:
                for item in some:
                    if item.labels is not labels:  # thousands in a row have the same, and those are asked about once
                        labels = admitted(item.labels)
                    bounded = item if item.labels is labels else replace(item, labels=labels)
                    remembered = memory.get(item.ref)
                    change = self._tracker.claim(source, bounded, now=now, round_=round_, remembered=remembered)
                    if change is not None:
                        self._tell(self._consumers, change)

        await self._in_turns(claim, items)

    async def _release(self, source: str, refs: Iterable[TaskRef | None]) -> None:
        """Release these; None only takes its time."""

        def release(some: Iterator[TaskRef | None]) -> None:
            now = self._clock.wall()
            for ref in some:
                if ref is not None and (change := self._tracker.release(source, ref, now=now)) is not None:
                    self._tell(self._consumers, change)
            self._bounds.released()

        await self._in_turns(release, refs)

    def _unclaimed(self, source: str, round_: int) -> Iterator[TaskRef | None]:
        """What a source asks for that its list of this round does not name; None in place of what it does name."""
        return (None if named_in >= round_ else ref for ref, named_in in self._tracker.claimed(source))

    async def _in_turns(self, take: Callable[[Iterator[T]], None], values: Iterable[T]) -> None:
        """Have these values taken, as many in one go as there is time for; then the event loop comes round."""
        rest = iter(values)
        for first in rest:
            take(self._in_time(islice(chain([first], rest), SLICE)))
            await asyncio.sleep(0)

    def _in_time(self, values: Iterable[T]) -> Iterator[T]:
        ends_at = self._clock.monotonic() + TURN
        for value in values:
            yield value
            if self._clock.monotonic() >= ends_at:
                return

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
    return (values[at : at + RECALLED] for at in range(0, len(values), RECALLED))
