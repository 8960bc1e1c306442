"""How the tracker keeps one task: small, changed in place, seen by nobody else.

There is one of these for each of a million tasks. So everything stands in it flat, what few tasks have (an end, a
second claim, a longer history) stands apart, and what many have alike is one object. The collector of cyclic garbage
does not see them: nothing in an entry leads back to it.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

import msgspec

from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import Submission, TaskState, redated, says_as_before
from exporter.tasks.view import Course, StatusChange, TaskView

HISTORY = 16
"""So many status changes of a task are remembered."""

SHARED = 1000
"""So many different values of one kind are kept to be shared."""

V = TypeVar("V", bound=Hashable)


class Shared(Generic[V]):
    """One object for all values that are equal, the one that was seen first; of too many, all are forgotten."""

    def __init__(self) -> None:
        self._kept: dict[V, V] = {}

    def one(self, value: V) -> V:
        """The object to hold in place of this."""
        if len(self._kept) >= SHARED:
            self._kept.clear()
        return self._kept.setdefault(value, value)


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a source says of a task that it asks for; one object for all of which one list says the same.

    ``round`` is that of the list that named it last. The source calls the task by these of its ids, or ``ref``, where
    the task goes by others; it asked for it when the task began, or as ``order`` tells.
    """

    source: str
    labels: TaskLabels
    submitted_at: float | None
    round: int
    by_task_id: bool
    by_out_task_id: bool
    order: int | None = None
    ref: TaskRef | None = None

    def says(self, item: Item) -> bool:
        """Whether the source says of the task what it said before."""
        return self.submitted_at == item.submitted_at and self.labels == item.labels

    def calls(self, task: "Entry") -> TaskRef:
        """What the source calls a task that holds this."""
        if self.ref is not None:
            return self.ref
        task_id, out_task_id = self._ids(task)
        return TaskRef(task.standing.account, task_id, out_task_id)

    def is_by(self, source: str, ref: TaskRef, task: "Entry") -> bool:
        """Whether this is that source's, which calls a task that holds this so."""
        if self.source != source:
            return False
        return (ref.task_id, ref.out_task_id) == self._ids(task) if self.ref is None else ref == self.ref

    def _ids(self, task: "Entry") -> tuple[str | None, str | None]:
        return task.task_id if self.by_task_id else None, task.out_task_id if self.by_out_task_id else None


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a task stands: what many have alike as long as they are open, so that they share it.

    ``shift`` is by how much the clock had stepped, all in all, when the task's times were noted or put right last.
    """

    account: str
    submission: Submission
    status: Status
    eta_seconds: float | None
    credits_estimated: float | None
    misses: int
    credits_used: float | None
    error_code: str | None
    finished_at: float | None
    duration: float | None
    shift: float


class Standings:
    """One object for all open tasks that stand alike; an end is a task's own. Of too many, all are forgotten."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Hashable, ...], Standing] = {}

    def of(self, state: TaskState, *, shift: float) -> Standing:
        """How a task stands of which this is known."""
        if state.finished_at is not None or state.status.is_terminal:
            return _standing(state, shift)
        alike = (  # all that can be known of one that has not ended
            state.ref.account,
            state.submission,
            state.status,
            state.eta_seconds,
            state.credits_estimated,
            state.misses,
            shift,
        )
        return self._kept.get(alike) or self._keep(alike, _standing(state, shift))

    def _keep(self, alike: tuple[Hashable, ...], standing: Standing) -> Standing:
        if len(self._kept) >= SHARED:
            self._kept.clear()
        self._kept[alike] = standing
        return standing


class Entry(msgspec.Struct, eq=False, gc=False):
    """One task. The first claim's labels hold for as long as it stands; without claims it is not followed.

    ``counted_by`` are the rules by which it is counted now, None where it is not. ``since`` is when its status was seen
    first by this process, None where no answer has said it yet; ``earlier`` are the statuses before.
    """

    number: int
    task_id: str | None
    out_task_id: str | None
    standing: Standing
    first_seen_at: float
    submitted_at: float
    observed_at: float | None
    open_at: float | None
    running_at: float | None
    first: Claim | None = None
    others: tuple[Claim, ...] = ()
    counted_by: Rules | None = None
    since: float | None = None
    earlier: tuple[StatusChange, ...] = ()

    @classmethod
    def of(cls, number: int, state: TaskState, standing: Standing | None = None) -> "Entry":
        """A task of which this is known, and which stands so; on its own where that is not told."""
        ref = state.ref
        return cls(
            number,
            ref.task_id,
            ref.out_task_id,
            standing or _standing(state, 0.0),
            state.first_seen_at,
            state.submitted_at,
            state.observed_at,
            state.open_at,
            state.running_at,
        )

    # ---- who asks for it -------------------------------------------------------------------------------------------

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Whoever asks for it, the first one first."""
        return (self.first, *self.others) if self.first is not None else ()

    def claim_by(self, *claims: Claim) -> None:
        """Let these be all that ask for it, the first one first."""
        self.first = claims[0] if claims else None
        self.others = claims[1:]

    @property
    def labels(self) -> TaskLabels:
        return (self.first or self._held()).labels

    @property
    def order(self) -> int:
        """When it was claimed first, by whoever asks for it now."""
        order = self._held().order
        return self.number if order is None else order

    def _held(self) -> Claim:
        if self.first is None:
            raise LookupError(f"nobody asks for task {self.number}")
        return self.first

    # ---- what is known of it ---------------------------------------------------------------------------------------

    @property
    def ref(self) -> TaskRef:
        """What it is called; made when it is asked for, for a task is asked about far less often than it is held."""
        return TaskRef(self.standing.account, self.task_id, self.out_task_id)

    @property
    def shift(self) -> float:
        return self.standing.shift

    @property
    def status(self) -> Status:
        return self.standing.status

    @property
    def finished_at(self) -> float | None:
        return self.standing.finished_at

    def may_be(self, ref: TaskRef) -> bool:
        """Whether this can name it, which goes by one of these ids."""
        return not (self.task_id and ref.task_id) or self.task_id == ref.task_id

    @property
    def state(self) -> TaskState:
        """What is known of it, frozen."""
        standing = self.standing
        return TaskState(
            TaskRef(standing.account, self.task_id, self.out_task_id),
            self.first_seen_at,
            self.submitted_at,
            standing.submission,
            standing.status,
            self.observed_at,
            self.open_at,
            self.running_at,
            standing.eta_seconds,
            standing.credits_estimated,
            standing.credits_used,
            standing.error_code,
            standing.finished_at,
            standing.duration,
            standing.misses,
        )

    @state.setter
    def state(self, state: TaskState) -> None:
        if state.status is not self.standing.status:
            self._leave_status(self.standing.status)
        self.task_id, self.out_task_id = state.ref.task_id, state.ref.out_task_id
        self.first_seen_at = state.first_seen_at
        self.submitted_at = state.submitted_at
        self.observed_at = state.observed_at
        self.open_at = state.open_at
        self.running_at = state.running_at
        standing = _standing(state, self.shift)
        if standing != self.standing:
            self.standing = standing

    def advance(self, state: TaskState, standing: Standing, *, now: float) -> None:
        """Let an answer have shown it like this; what it is called and when it began has been noted before."""
        before, self.standing = self.standing, standing
        self.observed_at, self.open_at, self.running_at = state.observed_at, state.open_at, state.running_at
        if self.since is None:
            self.note_status(now)
        elif standing.status is not before.status:
            self._leave_status(before.status)
            self.since = now

    def confirm(self, observation: Observation, *, now: float) -> bool:
        """Take an answer if it says what the last one said, and tell whether it does."""
        if self.since is None or self.open_at is None:
            return False
        if not says_as_before(self.standing, observation, has_run=self.running_at is not None):
            return False
        if not self.is_called(observation):
            return False
        self.observed_at = self.open_at = now
        return True

    def is_called(self, observation: Observation) -> bool:
        """Whether an answer has no id of it that it lacks."""
        return (self.task_id or observation.task_id) == self.task_id and (
            self.out_task_id or observation.out_task_id
        ) == self.out_task_id

    def course(self) -> Course:
        """Of it what its next poll depends on."""
        standing = self.standing
        return Course(self.number, self._held().labels, standing.status, self.submitted_at, standing.eta_seconds)

    def labelled(self) -> tuple[TaskLabels, TaskState]:
        """Its labels, and what is known of it, frozen."""
        return self.labels, self.state

    def view(self, state: TaskState | None = None) -> TaskView:
        """All of it, frozen. Whoever has its ``state`` gives it, which spares one from being made."""
        first = self.first or self._held()
        sources = tuple(dict.fromkeys(claim.source for claim in self.claims)) if self.others else (first.source,)
        return TaskView(self.number, first.labels, state or self.state, sources, self.earlier, self.since)

    # ---- its statuses ----------------------------------------------------------------------------------------------

    def note_status(self, at: float) -> None:
        """An answer has shown the status that it has now."""
        if self.since is not None:
            return
        if self.earlier and self.earlier[-1].status is self.status:  # it was taken back by a merge, never by an answer
            *earlier, last = self.earlier
            self.earlier, self.since = tuple(earlier), last.at
        else:
            self.since = at

    def redate(self, *, by: float, shift: float) -> None:
        """The clock has stepped by so many seconds since its times were noted, and by ``shift`` in all."""
        self.state = redated(self.state, by=by)
        self.since = None if self.since is None else self.since + by
        self.earlier = tuple(StatusChange(change.at + by, change.status) for change in self.earlier)
        self.standing = msgspec.structs.replace(self.standing, shift=shift)

    def _leave_status(self, status: Status) -> None:
        if self.since is not None:
            self.earlier = (*self.earlier[2 - HISTORY :], StatusChange(self.since, status))
            self.since = None


def _standing(state: TaskState, shift: float) -> Standing:
    return Standing(
        state.ref.account,
        state.submission,
        state.status,
        state.eta_seconds,
        state.credits_estimated,
        state.misses,
        state.credits_used,
        state.error_code,
        state.finished_at,
        state.duration,
        shift,
    )
