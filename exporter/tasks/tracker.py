"""Which tasks are followed, by whose wish, and what each answer does to them.

A task is one entry, whatever it is called and however many sources name it: two entries that turn out to be the same
task are merged as soon as an answer says so. Entries change in here alone; what leaves is frozen. The tracker does no
I/O, every time is an argument, and no step takes longer the more tasks there are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count, islice

import msgspec
from sortedcontainers import SortedDict, SortedList

from exporter.tasks.census import Census, Rules, Share, Tally, share_of
from exporter.tasks.identity import IdKey, TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.listing import Entry, Listing
from exporter.tasks.observation import Observation, Outcome
from exporter.tasks.state import Step, TaskState, begin, merge, miss, observe, told, with_ref
from exporter.tasks.view import StatusChange, TaskView

HISTORY = 16
"""So many status changes of a task are remembered."""

RETIRE_AT_ONCE = 500
"""So many tasks whose retention is over leave the census in one step."""


class ChangeKind(StrEnum):
    """What happened to a task."""

    FOLLOWED = "followed"
    NAMED = "named"
    ANSWERED = "answered"
    MERGED = "merged"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one task, and how it is since; of one that is not followed any more, how it was last.

    FOLLOWED: a source named it first. NAMED: another source names it, too. ANSWERED: the API told of it, by a query or
    (``is_query`` is false) on its own; ``is_first`` (nothing had been known of it before), ``queue_seconds`` and
    ``outcome`` are to be counted. MERGED: it turned out to be the task of number ``into``, which goes on. DROPPED: no
    source names it any more. ``is_news`` tells whether a restart would have to know.
    """

    kind: ChangeKind
    task: TaskView
    is_news: bool = False
    is_query: bool = True
    is_first: bool = False
    queue_seconds: float | None = None
    outcome: Outcome | None = None
    into: int | None = None


class _Claim(msgspec.Struct, eq=False, gc=False):
    """One source's wish that a task be followed. ``round`` is that of the source's list that named it last."""

    order: int
    source: str
    item: Item
    round: int
    task: "_Task"


class _Task(msgspec.Struct, eq=False, gc=False):
    """One entry. The first claim's labels hold for as long as it stands; without claims it is not followed.

    There is one of these for each task, so it is small: most tasks have one claim, which stands alone, without a list.
    The collector of cyclic garbage does not see it: whoever takes a claim away parts the two.
    """

    number: int
    state: TaskState
    first: _Claim | None = None
    others: tuple[_Claim, ...] = ()
    history: tuple[StatusChange, ...] = ()
    share: Share | None = None

    @property
    def claims(self) -> tuple[_Claim, ...]:
        """Whoever asks for it, the first one first."""
        return (self.first, *self.others) if self.first is not None else ()

    def claim_by(self, *claims: _Claim) -> None:
        """Let these be all that ask for it, the first one first."""
        self.first = claims[0] if claims else None
        self.others = claims[1:]

    @property
    def labels(self) -> TaskLabels:
        return self._held().item.labels

    @property
    def order(self) -> int:
        """When it was claimed first, by whoever asks for it now."""
        return self._held().order

    def entry(self) -> Entry:
        return self.labels, self.state

    def view(self) -> TaskView:
        first = self._held().source
        sources = tuple(dict.fromkeys(claim.source for claim in self.claims)) if self.others else (first,)
        return TaskView(self.number, self.labels, self.state, sources, self.history)

    def note_status(self, at: float) -> None:
        if not self.history or self.history[-1].status is not self.state.status:
            self.history = (*self.history, StatusChange(at, self.state.status))[-HISTORY:]

    def _held(self) -> _Claim:
        if self.first is None:
            raise LookupError(f"nobody asks for task {self.number}")
        return self.first


class Tracker:
    """All followed tasks."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._order = count()
        self._rounds = count()
        self._tally = Tally()
        self._duplicates = 0
        self._latest: Share | None = None
        self._tasks: SortedDict[int, _Task] = SortedDict()
        self._by_id: dict[tuple[str, str], dict[str, _Task]] = {}  # by account and kind of id, then by the id
        self._claims: dict[str, dict[TaskRef, _Claim]] = {}
        self._listing = Listing(rules.listed_limit, lambda number: self._tasks[number].entry())
        self._ended: SortedList[tuple[float, int]] = SortedList()

    def __len__(self) -> int:
        return len(self._tasks)

    # ---- views -----------------------------------------------------------------------------------------------------

    @property
    def sources(self) -> frozenset[str]:
        """The names of the sources that ask for at least one task."""
        return frozenset(self._claims)

    @property
    def label_sets(self) -> frozenset[TaskLabels]:
        """The labels that at least one task of the census has."""
        return frozenset(labels for labels, _ in self._tally.counts)

    def find(self, ref: TaskRef) -> TaskView | None:
        """The followed task that goes by one of these ids, if there is one."""
        task = self._find(ref)
        return task.view() if task else None

    def is_followed(self, ref: TaskRef) -> bool:
        """Whether there is a followed task that goes by one of these ids."""
        return self._find(ref) is not None

    def view(self, number: int) -> TaskView | None:
        """The followed task of that number, if there is one."""
        task = self._tasks.get(number)
        return task.view() if task else None

    def views(self, *, after: int = -1, limit: int) -> list[TaskView]:
        """The next so many tasks behind that number, in the order of their numbers."""
        numbers = self._tasks.irange(after, inclusive=(False, True))
        return [self._tasks[number].view() for number in islice(numbers, limit)]

    def census(self, *, now: float) -> Census:
        """The followed tasks added up. One that ended longer than the retention ago is not counted any more."""
        self.retire(now=now)
        return self._tally.census(
            now=now, listed=self._listing.view(), unlisted=self._listing.unlisted, duplicates=self._duplicates
        )

    # ---- lists -----------------------------------------------------------------------------------------------------

    def begin_round(self) -> int:
        """The number of a new list of a source: what it does not name again is what it does not want any more."""
        return next(self._rounds)

    def claim(
        self, source: str, item: Item, *, now: float, round_: int = -1, remembered: TaskState | None = None
    ) -> Change | None:
        """Let a source ask for a task; where one list names one reference twice, the first holds.

        ``remembered`` is what is known of it from earlier. The change is FOLLOWED or NAMED, or None where the source
        has asked for it before.
        """
        claims = self._claims.setdefault(source, {})
        if item.ref in claims:
            self._renew(claims[item.ref], item, round_, now)
            return None
        found = self._find(remembered.ref.joined(item.ref) if remembered else item.ref)
        before = found.state if found else remembered
        known = merge(found.state, remembered) if found and remembered else before
        state = told(known, item) if known else begin(item, now=now)
        task = found or self._begin(state)
        order = next(self._order) if found else task.number  # the number of a new task is its first claim's place, too
        claim = claims[item.ref] = _Claim(order, source, item, round_, task)
        with self._recounted(task, now):
            task.claim_by(*task.claims, claim)
            self._rename(task, state)
        return Change(ChangeKind.NAMED if found else ChangeKind.FOLLOWED, task.view(), is_news=state != before)

    def claimed(self, source: str) -> list[TaskRef]:
        """What a source calls the tasks that it asks for."""
        return list(self._claims.get(source, ()))

    def is_claimed_since(self, source: str, ref: TaskRef, *, round_: int) -> bool:
        """Whether a source's list of that round, or a later one, names this."""
        claim = self._claims.get(source, {}).get(ref)
        return claim is not None and claim.round >= round_

    def release(self, source: str, ref: TaskRef, *, now: float) -> Change | None:
        """Forget that a source asks for a task. The change is DROPPED, or None where somebody else asks for it."""
        claim = self._claims.get(source, {}).pop(ref, None)
        if claim is None:
            return None
        if not self._claims[source]:
            del self._claims[source]
        task, last = claim.task, claim.task.view()
        with self._recounted(task, now):
            task.claim_by(*(other for other in task.claims if other is not claim))
        if task.first is not None:
            return None
        self._forget(task)
        return Change(ChangeKind.DROPPED, last)

    # ---- answers ---------------------------------------------------------------------------------------------------

    def observe(self, ref: TaskRef, observation: Observation, *, now: float, is_query: bool = True) -> list[Change]:
        """Take an answer that knows a task; nothing where it is not followed (any more)."""
        task = self._find(ref)
        if task is None:
            return []
        before = task.state
        task, merged = self._learn(task, observation, now)
        step = observe(task.state, observation, now=now)
        changed = self._advance(task, step, before, is_merged=bool(merged), now=now)
        return [*merged, changed if is_query else replace(changed, is_query=False)]

    def miss(self, ref: TaskRef, *, now: float) -> list[Change]:
        """Take an answer that does not know a task; nothing where it is not followed (any more)."""
        task = self._find(ref)
        if task is None:
            return []
        step = miss(task.state, now=now, grace=self._rules.not_found_grace)
        return [self._advance(task, step, task.state, is_merged=False, now=now)]

    # ---- rules and retention ---------------------------------------------------------------------------------------

    def apply(self, rules: Rules) -> None:
        """Let other rules hold from now on; what they change for tasks that are counted already, ``recount`` brings."""
        self._rules = rules
        self._listing.resize(rules.listed_limit)

    def recount(self, *, after: int, limit: int, now: float) -> int | None:
        """Count the next so many tasks anew; return where to go on, None at the end."""
        numbers = list(islice(self._tasks.irange(after, inclusive=(False, True)), limit))
        for number in numbers:
            with self._recounted(self._tasks[number], now):
                pass
        return numbers[-1] if numbers else None

    def retire(self, *, now: float) -> bool:
        """Count some of those no more whose retention is over; say whether there may be more of them."""
        for _ in range(RETIRE_AT_ONCE):
            if not self._ended or self._is_visible(self._ended[0][0], now):
                return False
            with self._recounted(self._tasks[self._ended[0][1]], now):
                pass
        return True

    # ---- entries and their names -----------------------------------------------------------------------------------

    def _find(self, ref: TaskRef) -> _Task | None:
        for key in ref.ids():
            task = self._called(key)
            if task and task.state.ref.may_be(ref):
                return task
        return None

    def _begin(self, state: TaskState) -> _Task:
        task = _Task(next(self._order), state)
        self._tasks[task.number] = task
        self._index(task)
        return task

    def _renew(self, claim: _Claim, item: Item, round_: int, now: float) -> None:
        """Let a claim say what its source says now: its labels may have changed."""
        is_repeated = claim.round == round_ >= 0
        claim.round = round_
        if is_repeated or claim.item == item:
            return
        with self._recounted(claim.task, now):
            claim.item = item
            claim.task.state = told(claim.task.state, item)

    def _learn(self, task: _Task, observation: Observation, now: float) -> tuple[_Task, list[Change]]:
        """Note the ids that an answer gave; return the entry that goes on, and what became of one that was the same."""
        known = task.state.ref
        ref = TaskRef(known.account, known.task_id or observation.task_id, known.out_task_id or observation.out_task_id)
        if ref == known:
            return task, []
        others = (self._called(key) for key in ref.ids())
        same = next((other for other in others if other not in (None, task) and other.state.ref.may_be(ref)), None)
        self._rename(task, with_ref(task.state, ref))
        return self._merge(task, same, now) if same else (task, [])

    def _merge(self, one: _Task, other: _Task, now: float) -> tuple[_Task, list[Change]]:
        """Make two entries one, the one that was claimed first."""
        keep, drop = sorted((one, other), key=lambda task: task.order)
        last = drop.view()
        with self._recounted(keep, now), self._recounted(drop, now):
            for claim in drop.claims:
                claim.task = keep
            keep.claim_by(*sorted((*keep.claims, *drop.claims), key=lambda claim: claim.order))
            drop.claim_by()
            self._forget(drop)
            self._rename(keep, merge(keep.state, drop.state))
        return keep, [Change(ChangeKind.MERGED, last, into=keep.number)]

    def _forget(self, task: _Task) -> None:
        del self._tasks[task.number]
        self._unindex(task)

    def _rename(self, task: _Task, state: TaskState) -> None:
        self._unindex(task)
        task.state = state
        self._index(task)

    def _index(self, task: _Task) -> None:
        for account, kind, name in task.state.ref.ids():
            self._by_id.setdefault((account, kind), {}).setdefault(name, task)

    def _unindex(self, task: _Task) -> None:
        for account, kind, name in task.state.ref.ids():
            called = self._by_id.get((account, kind), {})
            if called.get(name) is task:
                del called[name]
                if not called:
                    del self._by_id[account, kind]

    def _called(self, key: IdKey) -> _Task | None:
        account, kind, name = key
        return self._by_id.get((account, kind), {}).get(name)

    # ---- states and counts -----------------------------------------------------------------------------------------

    def _advance(self, task: _Task, step: Step, before: TaskState, *, is_merged: bool, now: float) -> Change:
        known = task.state
        if share_of(step.state, task.labels, self._rules) == task.share:
            task.state = step.state
            self._listing.renew(task.number, task.entry())
        else:
            with self._recounted(task, now):
                task.state = step.state
        task.note_status(now)
        return Change(
            ChangeKind.ANSWERED,
            task.view(),
            is_news=is_merged or _lasting(step.state) != _lasting(before),
            is_first=_is_unseen(known) and not _is_unseen(step.state),
            queue_seconds=step.queue_seconds,
            outcome=step.outcome,
        )

    @contextmanager
    def _recounted(self, task: _Task, now: float) -> Iterator[None]:
        """Take a task out of the counts, let it change, and count it again: the one way a count changes."""
        self._duplicates -= bool(task.others)
        if task.share is not None:
            self._tally.take_away(task.share)
            if task.share.ended_at is not None:
                self._ended.remove((task.share.ended_at, task.number))
            task.share = None
        try:
            yield
        finally:
            self._duplicates += bool(task.others)
            self._count(task, now)

    def _count(self, task: _Task, now: float) -> None:
        if task.first is None or not self._is_visible(task.state.finished_at, now):
            self._listing.hide(task.number)
            return
        self._listing.show(task.number, task.entry())  # one that was shown keeps its place: series must not come and go
        share = share_of(task.state, task.labels, self._rules)
        if share == self._latest:  # of a list that arrives, most are alike
            share = self._latest
        task.share = self._latest = share
        self._tally.add(share)
        if share.ended_at is not None:
            self._ended.add((share.ended_at, task.number))

    def _is_visible(self, ended_at: float | None, now: float) -> bool:
        return ended_at is None or ended_at + self._rules.retention > now


def _is_unseen(state: TaskState) -> bool:
    """Whether nothing has been learnt of a task: no answer has shown it, and it has not been given up."""
    return state.observed_at is None and not state.is_terminal


def _lasting(state: TaskState) -> tuple[object, ...]:
    """The part of a state that a restart has to know; the dates of single answers are not in it."""
    return (
        state.ref,
        state.status,
        state.submitted_at,
        state.running_at,
        state.eta_seconds,
        state.credits_estimated,
        state.open_at is None,
    )
