"""How the tracker keeps one task: small, changed in place, seen by nobody else.

There is one of these for each of a million tasks. So everything stands in it flat, what few tasks have (an end, a
second claim, a longer history) stands apart, and what many have alike is one object. The collector of cyclic garbage
does not see them: nothing in an entry leads back to it.
"""

import msgspec

from exporter.tasks.census import Rules, Share, share_of
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import Submission, TaskState, redated, says_as_before
from exporter.tasks.view import StatusChange, TaskView

HISTORY = 16
"""So many status changes of a task are remembered."""


NUMBERS = 1000
"""So many different numbers are kept to be shared."""


class Numbers:
    """One object for each number that comes again and again: estimates are alike, and each would take 24 bytes."""

    def __init__(self) -> None:
        self._kept: dict[float, float] = {}

    def one(self, number: float | None) -> float | None:
        """The same number, the object that was seen first; where too many have been seen, itself."""
        if number is None:
            return None
        if len(self._kept) < NUMBERS:
            return self._kept.setdefault(number, number)
        return self._kept.get(number, number)


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
        ref = task.ref
        if self.by_task_id is (ref.task_id is not None) and self.by_out_task_id is (ref.out_task_id is not None):
            return ref
        return TaskRef(
            ref.account, ref.task_id if self.by_task_id else None, ref.out_task_id if self.by_out_task_id else None
        )


class _End(msgspec.Struct, frozen=True, gc=False):
    """What a state holds of a task's end."""

    credits_used: float | None
    error_code: str | None
    finished_at: float | None
    duration: float | None


_OPEN = _End(None, None, None, None)


class Entry(msgspec.Struct, eq=False, gc=False):
    """One task. The first claim's labels hold for as long as it stands; without claims it is not followed.

    ``counted_by`` are the rules by which it is counted now, None where it is not. ``since`` is when its status was seen
    first by this process, None where no answer has said it yet; ``earlier`` are the statuses before.
    ``shift`` is by how much the clock had stepped, all in all, when its times were noted or put right last.
    """

    number: int
    ref: TaskRef
    first_seen_at: float
    submitted_at: float
    submission: Submission
    status: Status = Status.UNOBSERVED
    observed_at: float | None = None
    open_at: float | None = None
    running_at: float | None = None
    eta_seconds: float | None = None
    credits_estimated: float | None = None
    misses: int = 0
    end: _End = _OPEN
    first: Claim | None = None
    others: tuple[Claim, ...] = ()
    counted_by: Rules | None = None
    since: float | None = None
    earlier: tuple[StatusChange, ...] = ()
    shift: float = 0.0

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
        return self._held().labels

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
    def state(self) -> TaskState:
        """What is known of it, frozen."""
        end = self.end
        return TaskState(
            self.ref,
            self.first_seen_at,
            self.submitted_at,
            self.submission,
            self.status,
            self.observed_at,
            self.open_at,
            self.running_at,
            self.eta_seconds,
            self.credits_estimated,
            end.credits_used,
            end.error_code,
            end.finished_at,
            end.duration,
            self.misses,
        )

    @state.setter
    def state(self, state: TaskState) -> None:
        if state.status is not self.status:
            self._leave_status()
        self.ref = state.ref
        self.first_seen_at = state.first_seen_at
        self.submitted_at = state.submitted_at
        self.submission = state.submission
        self.status = state.status
        self.observed_at = state.observed_at
        self.open_at = state.open_at
        self.running_at = state.running_at
        self.eta_seconds = state.eta_seconds
        self.credits_estimated = state.credits_estimated
        self.misses = state.misses
        end = _End(state.credits_used, state.error_code, state.finished_at, state.duration)
        self.end = _OPEN if end == _OPEN else end

    def hold(self, numbers: Numbers) -> None:
        """Hold no other object for a number that many tasks have."""
        self.eta_seconds = numbers.one(self.eta_seconds)
        self.credits_estimated = numbers.one(self.credits_estimated)

    def confirm(self, observation: Observation, *, now: float) -> bool:
        """Take an answer if it says what the last one said, and tell whether it does."""
        if self.since is None or not says_as_before(self, observation):
            return False
        self.observed_at = self.open_at = now
        return True

    def labelled(self) -> tuple[TaskLabels, TaskState]:
        """Its labels, and what is known of it, frozen."""
        return self.labels, self.state

    def view(self) -> TaskView:
        """All of it, frozen."""
        first = self._held().source
        sources = tuple(dict.fromkeys(claim.source for claim in self.claims)) if self.others else (first,)
        return TaskView(self.number, self.labels, self.state, sources, self.history)

    # ---- its statuses ----------------------------------------------------------------------------------------------

    @property
    def history(self) -> tuple[StatusChange, ...]:
        """The latest status changes that answers have shown, the oldest first."""
        return self.earlier if self.since is None else (*self.earlier, StatusChange(self.since, self.status))

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
        self.shift = shift

    def _leave_status(self) -> None:
        self.earlier = self.history[1 - HISTORY :]
        self.since = None

    # ---- how it is counted -----------------------------------------------------------------------------------------

    def share(self, rules: Rules) -> Share:
        """What it adds to the census under these rules."""
        return share_of(self, self.labels, rules)

    @property
    def is_terminal(self) -> bool:
        return self.status.is_terminal

    @property
    def finished_at(self) -> float | None:
        return self.end.finished_at
