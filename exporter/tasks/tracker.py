"""Which tasks are followed, by whose wish, and what each answer does to them.

A task is one object, whatever it is called and however many sources name it: two entries that turn out to be the same
task are merged as soon as an answer says so. The tracker does no I/O; every time is an argument.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count

from exporter.tasks.census import Census, Tally
from exporter.tasks.identity import IdKey, TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Outcome
from exporter.tasks.state import Step, TaskState, begin, merge, miss, observe, told, with_ref
from exporter.tasks.task import Claim, Rules, Task


@dataclass(frozen=True, slots=True)
class Change:
    """What new lists did: tasks to be polled from now on, and tasks not to be polled any more."""

    followed: tuple[Task, ...]
    dropped: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Transition:
    """What an answer did to a task.

    ``task`` is the one that is followed on, ``absorbed`` one that turned out to be the same.
    ``is_news`` is false where nothing changed that a restart would have to know.
    """

    task: Task
    labels: TaskLabels
    state: TaskState
    is_news: bool
    queue_seconds: float | None = None
    outcome: Outcome | None = None
    absorbed: Task | None = None


class Tracker:
    """All followed tasks."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._now = 0.0
        self._order = count()
        self._tally = Tally()
        self._tasks: dict[Task, None] = {}
        self._by_id: dict[IdKey, Task] = {}
        self._claimed: dict[str, dict[TaskRef, Task]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks)

    @property
    def sources(self) -> frozenset[str]:
        """The names of the sources that ask for at least one task."""
        return frozenset(self._claimed)

    def find(self, ref: TaskRef) -> Task | None:
        """The followed task that goes by one of these ids, if there is one."""
        named = (self._by_id.get(key) for key in ref.ids())
        return next((task for task in named if task and task.state.ref.may_be(ref)), None)

    def assign(
        self,
        lists: Mapping[str, Iterable[Item]],
        *,
        now: float,
        remembered: Mapping[TaskRef, TaskState] | None = None,
    ) -> Change:
        """Let each of these sources ask for exactly these items; where a list names one id twice, the first holds.

        All wishes are taken before any is dropped, so that a task may move between sources without being forgotten.
        ``remembered`` holds what is known from earlier of items that are not followed yet, by the items' references.
        """
        self._now = now
        wanted = {source: _by_ref(items) for source, items in lists.items()}
        unwanted = [
            (source, ref)
            for source, items in wanted.items()
            for ref in self._claimed.get(source, ())
            if ref not in items
        ]
        memory = remembered or {}
        claims = ((source, ref, item) for source, items in wanted.items() for ref, item in items.items())
        followed = [task for source, ref, item in claims if (task := self._claim(source, item, memory.get(ref)))]
        dropped = [task for source, ref in unwanted if (task := self._release(source, ref))]
        return Change(tuple(followed), tuple(dropped))

    def amend(
        self,
        source: str,
        *,
        add: Iterable[Item] = (),
        drop: Iterable[TaskRef] = (),
        now: float,
        remembered: Mapping[TaskRef, TaskState] | None = None,
    ) -> Change:
        """Let one source ask for these items besides those it has, and for these references no more."""
        self._now = now
        memory = remembered or {}
        followed = [task for item in add if (task := self._claim(source, item, memory.get(item.ref)))]
        dropped = [task for ref in drop if ref in self.claimed(source) and (task := self._release(source, ref))]
        return Change(tuple(followed), tuple(dropped))

    def claimed(self, source: str) -> Mapping[TaskRef, Task]:
        """The tasks that a source asks for, by what it calls them; live and not to be changed."""
        return self._claimed.get(source, {})

    def apply(self, rules: Rules, *, now: float) -> None:
        """Let other rules hold from now on."""
        self._rules, self._now = rules, now
        for task in self._tasks:
            with self._recounted(task):
                pass

    def observe(self, task: Task, observation: Observation, *, now: float) -> Transition | None:
        """Take an answer that knows a task; None where the task is not followed any more."""
        self._now = now
        task = task.survivor
        if not task.is_followed:
            return None
        before = task.state
        absorbed = self._learn(task, observation)
        task = task.survivor
        return self._advance(task, observe(task.state, observation, now=now), before=before, absorbed=absorbed)

    def miss(self, task: Task, *, now: float) -> Transition | None:
        """Take an answer that does not know a task; None where the task is not followed any more."""
        self._now = now
        task = task.survivor
        if not task.is_followed:
            return None
        step = miss(task.state, now=now, grace=self._rules.not_found_grace)
        return self._advance(task, step, before=task.state, absorbed=None)

    def census(self, *, now: float) -> Census:
        """Add up the followed tasks."""
        return self._tally.census(rules=self._rules, now=now)

    # ---- claims ----------------------------------------------------------------------------------------------------

    def _claim(self, source: str, item: Item, remembered: TaskState | None) -> Task | None:
        """Note that a source names a task; return it where it was not followed before."""
        claimed = self._claimed.setdefault(source, {})
        if item.ref in claimed:
            self._reclaim(claimed[item.ref], source, item)
            return None
        claim = Claim(next(self._order), source, item)
        task = self.find(remembered.ref.joined(item.ref) if remembered else item.ref)
        if task is None:
            claimed[item.ref] = task = self._begin(claim, remembered)
            return task
        claimed[item.ref] = task
        with self._recounted(task):
            task.claims.append(claim)
            self._rename(task, told(merge(task.state, remembered) if remembered else task.state, item))
        return None

    def _begin(self, claim: Claim, remembered: TaskState | None) -> Task:
        state = told(remembered, claim.item) if remembered else begin(claim.item, now=self._now)
        task = Task(state, [], number=claim.order)
        with self._recounted(task):
            task.claims.append(claim)
            self._tasks[task] = None
            self._index(task)
        return task

    def _reclaim(self, task: Task, source: str, item: Item) -> None:
        """Let a source's claim say what the source says now: its labels may have changed."""
        at = next(i for i, claim in enumerate(task.claims) if _is_by(claim, source, item.ref))
        if task.claims[at].item != item:
            with self._recounted(task):
                task.claims[at] = Claim(task.claims[at].order, source, item)
                task.state = told(task.state, item)

    def _release(self, source: str, ref: TaskRef) -> Task | None:
        """Forget that a source named a task; return it where nobody else does."""
        task = self._claimed[source].pop(ref)
        if not self._claimed[source]:
            del self._claimed[source]
        with self._recounted(task):
            task.claims = [claim for claim in task.claims if not _is_by(claim, source, ref)]
            if task.claims:
                return None
            self._unindex(task)
            del self._tasks[task]
        return task

    # ---- names -----------------------------------------------------------------------------------------------------

    def _learn(self, task: Task, observation: Observation) -> Task | None:
        """Note the ids that an answer gave; return an entry that thereby proved to be this same task."""
        known = task.state.ref
        ref = TaskRef(known.account, known.task_id or observation.task_id, known.out_task_id or observation.out_task_id)
        if ref == known:
            return None
        twins = (self._by_id.get(key) for key in ref.ids())
        twin = next((twin for twin in twins if twin not in (None, task) and twin.state.ref.may_be(ref)), None)
        self._rename(task, with_ref(task.state, ref))
        return self._merge(task, twin) if twin else None

    def _merge(self, one: Task, other: Task) -> Task:
        """Make two entries one, the one that was claimed first; return the other."""
        keep, drop = sorted((one, other), key=lambda task: task.claims[0].order)
        with self._recounted(keep), self._recounted(drop):
            for claim in drop.claims:
                self._claimed[claim.source][claim.item.ref] = keep
            keep.claims = sorted((*keep.claims, *drop.claims), key=lambda claim: claim.order)
            drop.claims, drop.merged_into = [], keep
            del self._tasks[drop]
            self._unindex(drop)
            self._rename(keep, merge(keep.state, drop.state))
        return drop

    def _rename(self, task: Task, state: TaskState) -> None:
        self._unindex(task)
        task.state = state
        self._index(task)

    def _index(self, task: Task) -> None:
        for key in task.state.ref.ids():
            self._by_id.setdefault(key, task)

    def _unindex(self, task: Task) -> None:
        for key in task.state.ref.ids():
            if self._by_id.get(key) is task:
                del self._by_id[key]

    # ---- states ----------------------------------------------------------------------------------------------------

    def _advance(self, task: Task, step: Step, *, before: TaskState, absorbed: Task | None) -> Transition:
        with self._recounted(task):
            task.state = step.state
        task.turned(self._now)
        return Transition(
            task=task,
            labels=task.labels,
            state=step.state,
            is_news=absorbed is not None or _lasting(step.state) != _lasting(before),
            queue_seconds=step.queue_seconds,
            outcome=step.outcome,
            absorbed=absorbed,
        )

    def _recounted(self, task: Task) -> AbstractContextManager[None]:
        return self._tally.recounted(task, rules=self._rules, now=self._now)


def _by_ref(items: Iterable[Item]) -> dict[TaskRef, Item]:
    named: dict[TaskRef, Item] = {}
    for item in items:
        named.setdefault(item.ref, item)
    return named


def _is_by(claim: Claim, source: str, ref: TaskRef) -> bool:
    return claim.source == source and claim.item.ref == ref


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
