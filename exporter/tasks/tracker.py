"""Which tasks are followed, by whose wish, and what each answer does to them.

A task is one entry, whatever it is called and however many sources name it: two entries that turn out to be the same
task are merged as soon as an answer says so. Entries change in here alone; what leaves is frozen. The tracker does no
I/O, every time is an argument, and no step takes longer the more tasks there are.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import count, islice

import msgspec
from sortedcontainers import SortedList

from exporter.tasks.census import Census, Rules, Tally
from exporter.tasks.claims import Claims, Wish
from exporter.tasks.entry import Claim, Entry, Standings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.listing import Listing
from exporter.tasks.names import Names, which_may_be
from exporter.tasks.numbered import Numbered
from exporter.tasks.observation import UNSAID, Observation, Outcome, Said
from exporter.tasks.state import Step, TaskState, begin, doubted, merge, miss, observe, told, until, with_ref
from exporter.tasks.view import Course, TaskView

RETIRE_AT_ONCE = 500
"""So many tasks whose retention is over leave the census in one step."""


class ChangeKind(StrEnum):
    """What happened to a task."""

    FOLLOWED = "followed"
    NAMED = "named"
    ANSWERED = "answered"
    MERGED = "merged"
    DROPPED = "dropped"
    REDATED = "redated"


ANSWERED = ChangeKind.ANSWERED  # a name of the module, as in observation.py


class Change(msgspec.Struct, frozen=True, gc=False):
    """What happened to one task, and how it is since; of one that is not followed any more, how it was last.

    FOLLOWED: a source named it first. NAMED: another source names it, too. ANSWERED: the API told of it, by a query or
    (``is_query`` is false) on its own; ``is_first`` (nothing had been known of it before), ``queue_seconds`` and
    ``outcome`` are to be counted. MERGED: it turned out to be the task of number ``into``, which goes on. DROPPED: no
    source names it any more. REDATED: the clock has stepped, and its times are by the new one. ``is_news`` tells
    whether a restart would have to know. ``said`` is the answer as it came, where one did.
    """

    kind: ChangeKind
    task: TaskView
    is_news: bool = False
    is_query: bool = True
    is_first: bool = False
    queue_seconds: float | None = None
    outcome: Outcome | None = None
    into: int | None = None
    said: Said = UNSAID


class Tracker:
    """All followed tasks."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._order = count()
        self._rounds = count()
        self._tally = Tally()
        self._duplicates = 0
        self._tasks = Numbered()
        self._names = Names()
        self._standings = Standings()
        self._claims = Claims(self._names, self._tasks)
        self._listing = Listing(rules.listed_limit, self._labelled)
        self._ended: SortedList[tuple[float, int]] = SortedList()
        self._shift = 0.0  # of all steps of the clock
        self._stepped_at = -math.inf

    def __len__(self) -> int:
        return len(self._tasks)

    # ---- views -----------------------------------------------------------------------------------------------------

    @property
    def sources(self) -> frozenset[str]:
        """The names of the sources that ask for at least one task."""
        return self._claims.sources

    @property
    def label_sets(self) -> frozenset[TaskLabels]:
        """The labels that at least one task of the census has."""
        return self._tally.label_sets

    def find(self, ref: TaskRef) -> TaskView | None:
        """The followed task that goes by one of these ids, if there is one."""
        task = self._names.find(ref)
        return task.view() if task else None

    def is_followed(self, ref: TaskRef) -> bool:
        """Whether there is a followed task that goes by one of these ids."""
        return self._names.find(ref) is not None

    def view(self, number: int) -> TaskView | None:
        """The followed task of that number, if there is one."""
        task = self._tasks.get(number)
        return task.view() if task else None

    def course(self, number: int) -> Course | None:
        """Of the followed task of that number what its next poll depends on."""
        task = self._tasks.get(number)
        return task.course() if task else None

    def name(self, number: int) -> tuple[TaskRef, TaskLabels] | None:
        """What the followed task of that number is called, and its labels: of its view what each poll needs."""
        task = self._tasks.get(number)
        return None if task is None else (task.ref, task.labels)

    def views(self, *, after: int = -1, limit: int) -> list[TaskView]:
        """The next so many tasks behind that number, in the order of their numbers."""
        return [task.view() for task in islice(self._tasks.after(after), limit)]

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
        ref = item.ref if remembered is None else remembered.ref.joined(item.ref)
        called = self._names.called(ref)
        claimed = self._claims.find(source, item.ref, called if ref.has(item.ref) else None)
        if claimed is not None:
            self._renew(*claimed, item, round_, now)
            return None
        order = next(self._order)  # the number of a new task is its first claim's place, too
        wish = Wish(order, source, item.ref, item.labels, item.submitted_at, round_)
        known = None if remembered is None else until(self._doubted(remembered, now), now=now)
        task = which_may_be(called, ref) if called else None
        if task is None:
            state = begin(item, now=now) if known is None else told(known, item)
            return self._follow(wish, state if state is remembered else self._doubted(state, now), remembered, now)
        before = task.state
        self._put_right(task, now)
        state = self._doubted(told(merge(task.state, known) if known else task.state, item), now)
        with self._recounted(task, now):
            self._rename(task, state, wish)
        return Change(ChangeKind.NAMED, task.view(), is_news=state != before)

    def claimed(self, source: str) -> Iterator[tuple[TaskRef, int]]:
        """What a source calls the tasks that it asks for, and the round of its list that named each last.

        Tasks may come, go and merge meanwhile; none that stays is left out.
        """
        return self._claims.of(source)

    def release(self, source: str, ref: TaskRef, *, now: float) -> Change | None:
        """Forget that a source asks for a task. The change is DROPPED, or None where somebody else asks for it."""
        claimed = self._claims.find(source, ref)
        if claimed is None:
            return None
        task, claim = claimed
        last = task.view()
        with self._recounted(task, now):
            self._claims.drop(task, claim)
        if task.first is not None:
            return None
        self._forget(task)
        return Change(ChangeKind.DROPPED, last)

    # ---- answers ---------------------------------------------------------------------------------------------------

    def observe(self, ref: TaskRef, observation: Observation, *, now: float, is_query: bool = True) -> list[Change]:
        """Take an answer that knows a task; nothing where it is not followed (any more)."""
        task = self._names.find(ref)
        return [] if task is None else self._observe(task, observation, now, is_query=is_query)

    def take(self, ref: TaskRef, observation: Observation, *, now: float, is_query: bool = True) -> int | list[Change]:
        """The same, but of an answer that says what the last one said no change is made: it is the task's number then.

        What ``observe`` would have told of it: a change without news. What is listed stays as it is, for no series
        shows when a task was last answered.
        """
        task = self._names.find(ref)
        if task is None:
            return []
        standing = task.standing
        may_confirm = (
            observation.status is standing.status
            and standing.shift == self._shift  # else its times are to be put right first
            and task.counted_by is self._rules
        )
        if may_confirm and task.confirm(observation, now=now):
            return task.number
        return self._observe(task, observation, now, is_query=is_query)

    def _observe(self, task: Entry, observation: Observation, now: float, *, is_query: bool) -> list[Change]:
        before = task.state
        known = self._doubted(task.state if self._put_right(task, now) else before, now)
        merged: list[Change] = []
        if not task.is_called(observation):
            task, merged = self._learn(task, observation, now)
            known = self._doubted(task.state, now)
        step = observe(known, observation, now=now)
        is_news = bool(merged) or not _lasts(before, step.state)
        change = self._advance(task, known, step, now, is_news=is_news, is_query=is_query, said=observation.said)
        return [*merged, change] if merged else [change]

    def miss(self, ref: TaskRef, *, now: float) -> list[Change]:
        """Take an answer that does not know a task; nothing where it is not followed (any more)."""
        task = self._names.find(ref)
        if task is None:
            return []
        before = task.state
        known = task.state if self._put_right(task, now) else before
        step = miss(known, now=now, grace=self._rules.not_found_grace)
        return [self._advance(task, known, step, now, is_news=not _lasts(before, step.state))]

    # ---- rules and retention ---------------------------------------------------------------------------------------

    def apply(self, rules: Rules) -> None:
        """Let other rules hold from now on; what they change for tasks that are counted already, ``recount`` brings."""
        self._rules = rules
        self._listing.resize(rules.listed_limit)

    def recount(self, *, after: int, limit: int, now: float) -> int | None:
        """Count the next so many tasks anew; return where to go on, None at the end."""
        self._listing.trim(2 * limit)  # of all, some end before they are reached here
        tasks = list(islice(self._tasks.after(after), limit))
        for task in tasks:
            self._recount(task, now)
        return tasks[-1].number if tasks else None

    def retire(self, *, now: float) -> bool:
        """Count some of those no more whose retention is over; say whether there may be more of them."""
        for _ in range(RETIRE_AT_ONCE):
            task = self._tasks.get(self._ended[0][1]) if self._ended else None
            if task is None:
                return False
            if self._put_right(task, now):
                continue
            if self._is_visible(task.finished_at, now):
                return False
            self._recount(task, now)
        return True

    # ---- steps of the clock ----------------------------------------------------------------------------------------

    def step_clock(self, *, by: float, now: float) -> None:
        """The clock has stepped by so many seconds, to ``now``. Whatever is open has no duration that could be told.

        The times of each task are put right when it is next touched, or by ``redate``.
        """
        self._shift += by
        self._stepped_at = now

    def redate(self, *, after: int, limit: int, now: float) -> tuple[int | None, list[Change]]:
        """Put the times of the next so many tasks right; return where to go on, None at the end, and what changed."""
        tasks = list(islice(self._tasks.after(after), limit))
        changes = [
            Change(ChangeKind.REDATED, task.view(), is_news=True, is_query=False)
            for task in tasks
            if self._put_right(task, now)
        ]
        return tasks[-1].number if tasks else None, changes

    def _put_right(self, task: Entry, now: float) -> bool:
        """Let a task's times be by the clock as it goes now; say whether they were not."""
        if task.shift == self._shift:
            return False
        with self._recounted(task, now):
            task.redate(by=self._shift - task.shift, shift=self._shift)
            task.standing = self._standings.of(task.state, shift=self._shift)
        return True

    def _doubted(self, state: TaskState, now: float) -> TaskState:
        return doubted(state, now=now, stepped_at=self._stepped_at, ahead=self._shift)

    # ---- entries and their names -----------------------------------------------------------------------------------

    def _follow(self, wish: Wish, state: TaskState, remembered: TaskState | None, now: float) -> Change:
        """Begin an entry: there may be a million at once, and each takes only the steps that a new one needs."""
        task = Entry.of(wish.order, state, self._standings.of(state, shift=self._shift))
        self._tasks.add(task)
        self._claims.begin(task, wish, is_found=self._names.add(task))
        if self._is_visible(state.finished_at, now):
            self._add(task, wish.labels, state)
        view = TaskView(wish.order, wish.labels, state, (wish.source,))
        return Change(ChangeKind.FOLLOWED, view, is_news=state is not remembered and state != remembered)

    def _renew(self, task: Entry, claim: Claim, item: Item, round_: int, now: float) -> None:
        """Let a claim say what its source says now: its labels may have changed."""
        if claim.round == round_ >= 0:
            return
        if claim.says(item):
            self._claims.renew(task, claim, claim.labels, claim.submitted_at, round_)
            return
        self._put_right(task, now)
        with self._recounted(task, now):
            self._claims.renew(task, claim, item.labels, item.submitted_at, round_)
            task.state = self._doubted(told(task.state, item), now)

    def _learn(self, task: Entry, observation: Observation, now: float) -> tuple[Entry, list[Change]]:
        """Note the ids that an answer gave; return the entry that goes on, and what became of one that was the same."""
        known = task.ref
        ref = TaskRef(known.account, known.task_id or observation.task_id, known.out_task_id or observation.out_task_id)
        if ref == known:
            return task, []
        same = next((one for one in self._names.called(ref) if one is not task and one.may_be(ref)), None)
        with self._recounted(task, now):  # its id may tell when it was submitted
            self._rename(task, with_ref(task.state, ref))
        if same:
            self._put_right(same, now)
        return self._merge(task, same, now) if same else (task, [])

    def _merge(self, one: Entry, other: Entry, now: float) -> tuple[Entry, list[Change]]:
        """Make two entries one, the one that was claimed first."""
        keep, drop = sorted((one, other), key=lambda task: task.order)
        last = drop.view()
        with self._recounted(keep, now), self._recounted(drop, now):
            wishes = self._claims.take(drop)
            self._forget(drop)
            self._rename(keep, merge(keep.state, drop.state), *wishes)
        return keep, [Change(ChangeKind.MERGED, last, into=keep.number)]

    def _forget(self, task: Entry) -> None:
        self._tasks.remove(task)
        self._names.remove(task)

    def _rename(self, task: Entry, state: TaskState, *wishes: Wish) -> None:
        """Let a task be like this, and be called so; these ask for it besides those that do."""
        wishes = (*self._claims.take(task), *wishes)
        self._names.remove(task)
        task.state = state
        self._claims.lay(task, wishes, is_found=self._names.add(task))

    # ---- states and counts -----------------------------------------------------------------------------------------

    def _advance(
        self,
        task: Entry,
        known: TaskState,
        step: Step,
        now: float,
        *,
        is_news: bool,
        is_query: bool = True,
        said: Said = UNSAID,
    ) -> Change:
        """Let a task go a step on from what is known of it."""
        state, labels, ended_at = step.state, task.labels, step.state.finished_at
        standing = self._standings.of(state, shift=task.standing.shift)
        if task.counted_by is not None and (ended_at is None or self._is_visible(ended_at, now)):
            self._tally.change(known, state, labels, task.counted_by, self._rules)
            self._listing.renew(task.number, (labels, state))
            if ended_at is not None and known.finished_at is None:
                self._ended.add((ended_at, task.number))
            task.counted_by = self._rules
            task.advance(state, standing, now=now)
        else:
            with self._recounted(task, now):
                task.advance(state, standing, now=now)
        is_first = _is_unseen(known) and not _is_unseen(state)
        return Change(
            ANSWERED, task.view(state), is_news, is_query, is_first, step.queue_seconds, step.outcome, None, said
        )

    def _recount(self, task: Entry, now: float) -> None:
        with self._recounted(task, now):
            pass

    @contextmanager
    def _recounted(self, task: Entry, now: float) -> Iterator[None]:
        """Take a task out of the counts, let it change, and count it again, whatever of it has changed."""
        self._duplicates -= bool(task.others)
        if task.counted_by is not None:
            state = task.state
            self._tally.take_away(state, task.labels, task.counted_by)
            task.counted_by = None
            if state.finished_at is not None:
                self._ended.remove((state.finished_at, task.number))
        try:
            yield
        finally:
            self._duplicates += bool(task.others)
            self._count(task, now)

    def _count(self, task: Entry, now: float) -> None:
        if task.first is None or not self._is_visible(task.finished_at, now):
            self._listing.hide(task.number)
            return
        self._add(task, task.labels, task.state)

    def _add(self, task: Entry, labels: TaskLabels, state: TaskState) -> None:
        """Count a task that is visible, and like this."""
        self._listing.show(task.number, (labels, state))  # if it was, in its place: series must not come and go
        self._tally.add(state, labels, self._rules)
        task.counted_by = self._rules
        if state.finished_at is not None:
            self._ended.add((state.finished_at, task.number))

    def _labelled(self, number: int) -> tuple[TaskLabels, TaskState]:
        task = self._tasks.get(number)
        if task is None:
            raise LookupError(f"no task has the number {number}")
        return task.labelled()

    def _is_visible(self, ended_at: float | None, now: float) -> bool:
        return ended_at is None or ended_at + self._rules.retention > now


def _is_unseen(state: TaskState) -> bool:
    """Whether nothing has been learnt of a task: no answer has shown it, and it has not been given up."""
    return state.observed_at is None and not state.is_terminal


def _lasts(before: TaskState, after: TaskState) -> bool:
    """Whether all that a restart has to know of a task is as before; the dates of single answers are not in it."""
    return (
        after.status is before.status
        and after.running_at == before.running_at
        and after.eta_seconds == before.eta_seconds
        and after.credits_estimated == before.credits_estimated
        and (after.open_at is None) == (before.open_at is None)
        and after.submitted_at == before.submitted_at
        and after.submission is before.submission
        and after.ref == before.ref
    )
