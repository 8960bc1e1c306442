"""Who asks for which task, and what they call it.

There is a wish for each task of each list, and nearly all of a list's wishes say the same: so a task holds what it
shares with them, and no more is kept of who asks for what than a bit for each task.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from exporter.tasks.entry import Claim, Entry, Shared
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.names import Names
from exporter.tasks.number_set import NumberSet
from exporter.tasks.numbered import Numbered


class Wish(msgspec.Struct, frozen=True, gc=False):
    """One source's wish that a task be followed. ``round`` is that of the source's list that named it last."""

    order: int
    source: str
    ref: TaskRef
    labels: TaskLabels
    submitted_at: float | None
    round: int

    def claim(self, task: Entry) -> Claim:
        """What a task has to hold of it."""
        order = None if self.order == task.number else self.order
        ref = self.ref
        by_task_id, by_out_task_id = bool(ref.task_id), bool(ref.out_task_id)
        ids = task.task_id if by_task_id else None, task.out_task_id if by_out_task_id else None
        kept = None if ids == (ref.task_id, ref.out_task_id) else ref
        return Claim(self.source, self.labels, self.submitted_at, self.round, by_task_id, by_out_task_id, order, kept)


class Claims:
    """The wishes, found by the names of their tasks; whoever changes a name takes them up and lays them down again."""

    def __init__(self, names: Names, tasks: Numbered) -> None:
        self._names = names
        self._tasks = tasks
        self._numbers: dict[str, NumberSet] = {}
        self._strays: dict[tuple[str, TaskRef], Entry] = {}
        self._moved: dict[str, list[tuple[TaskRef, int]]] = {}
        self._shared: Shared[Claim] = Shared()

    @property
    def sources(self) -> frozenset[str]:
        """Whoever asks for at least one task."""
        return frozenset(self._numbers)

    def find(self, source: str, ref: TaskRef, called: Sequence[Entry] | None = None) -> tuple[Entry, Claim] | None:
        """The task that a source calls so, and its claim; ``called``: whatever goes by its ids, where that is known."""
        stray = self._strays.get((source, ref)) if self._strays else None
        if stray is not None:
            called = [stray]
        for task in self._names.called(ref) if called is None else called:
            for claim in task.claims:
                if claim.is_by(source, ref, task):
                    return task, claim
        return None

    def of(self, source: str) -> Iterator[tuple[TaskRef, int]]:
        """What a source calls its tasks, and the round that named each last; tasks may come, go and merge meanwhile."""
        moved = self._moved[source] = []
        try:
            for number in self._numbers.get(source, ()):
                if (task := self._tasks.get(number)) is not None:
                    yield from [(claim.calls(task), claim.round) for claim in task.claims if claim.source == source]
            yield from moved
        finally:
            if self._moved.get(source) is moved:
                del self._moved[source]

    # ---- changes ---------------------------------------------------------------------------------------------------

    def lay(self, task: Entry, wishes: Iterable[Wish], *, is_found: bool) -> None:
        """Let these be all that ask for a task, for which nobody asks. ``is_found``: by each of its own names."""
        ordered = sorted(wishes, key=_order)
        claims = [self._one(wish.claim(task)) for wish in ordered]
        task.claim_by(*claims)
        for wish, claim in zip(ordered, claims, strict=True):
            self._note(task, wish, is_found=is_found and claim.ref is None)

    def begin(self, task: Entry, wish: Wish, *, is_found: bool) -> None:
        """The same for a task that has just begun: a million of them may."""
        claim = task.first = self._one(wish.claim(task))
        self._note(task, wish, is_found=is_found and claim.ref is None)

    def take(self, task: Entry) -> list[Wish]:
        """Let nobody ask for a task any more; whoever did is returned."""
        wishes = []
        for claim in task.claims:
            ref, order = claim.calls(task), task.number if claim.order is None else claim.order
            wishes.append(Wish(order, claim.source, ref, claim.labels, claim.submitted_at, claim.round))
            self._strays.pop((claim.source, ref), None)
            self._forget(task, claim.source)
        task.claim_by()
        return wishes

    def drop(self, task: Entry, claim: Claim) -> None:
        """Let this one not ask for a task any more."""
        ref, rest = claim.calls(task), [one for one in task.claims if one is not claim]
        task.claim_by(*rest)
        if all(one.source != claim.source for one in rest):
            self._forget(task, claim.source)
        self._strays.pop((claim.source, ref), None)

    def renew(self, task: Entry, claim: Claim, labels: TaskLabels, submitted_at: float | None, round_: int) -> None:
        """Let a claim say this from now on."""
        said = self._one(replace(claim, labels=labels, submitted_at=submitted_at, round=round_))
        task.claim_by(*[said if one is claim else one for one in task.claims])

    def _one(self, claim: Claim) -> Claim:
        """The same claim, the object that was made first."""
        if claim.order is not None or claim.ref is not None:
            return claim
        return self._shared.one(claim)

    def _note(self, task: Entry, wish: Wish, *, is_found: bool) -> None:
        numbers = self._numbers.get(wish.source)
        if numbers is None:
            numbers = self._numbers[wish.source] = NumberSet()
        numbers.add(task.number)
        if not is_found and task not in self._names.called(wish.ref):  # two tasks claim the name, or it lost it
            self._strays[wish.source, wish.ref] = task
        if wish.source in self._moved:
            self._moved[wish.source].append((wish.ref, wish.round))

    def _forget(self, task: Entry, source: str) -> None:
        numbers = self._numbers.get(source)
        if numbers is None:
            return
        numbers.discard(task.number)
        if not numbers:
            del self._numbers[source]


def _order(wish: Wish) -> int:
    return wish.order
