"""The state machine of one task: pure functions from a state and an answer to the next state.

Any order of answers is taken. A terminal state is final: whatever comes later changes nothing.
"""

from enum import IntEnum
from typing import Protocol

import msgspec
from msgspec.structs import replace

from exporter.tasks.identity import TaskRef, ulid_time
from exporter.tasks.item import Item
from exporter.tasks.observation import COMPLETED, RUNNING, Observation, Outcome, Status

MISSES_TO_END = 3
"""So many answers in a row that do not know the task, after the grace, end it as not found."""


CLOCKS_APART = 60.0
"""So many seconds the clock of whoever dates a task may be ahead of ours."""


class Submission(IntEnum):
    """Where the submission time comes from, the more trustworthy the greater (design §7).

    IN_DOUBT: the clock has stepped since, or is not the one that the time was read from. Nothing is measured by it.
    """

    IN_DOUBT = -1
    FIRST_SIGHT = 0
    ULID = 1
    SOURCE = 2


IN_DOUBT, FIRST_SIGHT = Submission.IN_DOUBT, Submission.FIRST_SIGHT  # names of the module, as in observation.py


class TaskState(msgspec.Struct, frozen=True, gc=False):
    """What is known of one task. Times are Unix seconds.

    ``observed_at`` dates the last answer that knew the task, ``open_at`` the last one that showed it not yet ended,
    ``running_at`` the first one that showed it running. ``misses`` counts 404s in a row after the grace.
    """

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
    credits_used: float | None = None
    error_code: str | None = None
    finished_at: float | None = None
    duration: float | None = None
    misses: int = 0

    @property
    def is_terminal(self) -> bool:
        return self.status.is_terminal

    def age(self, *, now: float) -> float | None:
        """Seconds since its submission; None where they would claim more than was observed."""
        submission = self.submission
        if submission is IN_DOUBT or (submission is FIRST_SIGHT and self.open_at is None):
            return None
        return now - self.submitted_at if now > self.submitted_at else 0.0


class Step(msgspec.Struct, frozen=True, gc=False):
    """The next state and what is to be counted on the way to it.

    ``queue_seconds`` is set by the one answer that first showed the task running, ``outcome`` by the one that ended it.
    """

    state: TaskState
    queue_seconds: float | None = None
    outcome: Outcome | None = None


def begin(item: Item, *, now: float) -> TaskState:
    """The state of a task that nothing is known of yet."""
    if item.submitted_at is not None:
        return TaskState(item.ref, now, item.submitted_at, Submission.SOURCE)
    at = ulid_time(item.ref.task_id, first_seen_at=now) if item.ref.task_id else None
    return TaskState(
        item.ref, now, now if at is None else at, Submission.FIRST_SIGHT if at is None else Submission.ULID
    )


def told(state: TaskState, item: Item) -> TaskState:
    """The state after a source named the task: its ids and, where it says one, its submission time."""
    state = with_ref(state, item.ref)
    if item.submitted_at is None or state.is_terminal:
        return state
    in_doubt = state.submission is Submission.IN_DOUBT
    return replace(
        state, submitted_at=item.submitted_at, submission=Submission.IN_DOUBT if in_doubt else Submission.SOURCE
    )


def with_ref(state: TaskState, ref: TaskRef) -> TaskState:
    """The state with the ids it lacked; a ``task_id`` may tell the submission time."""
    joined = state.ref.joined(ref)
    if joined == state.ref and state.submission is not Submission.FIRST_SIGHT:
        return state
    state = state if joined == state.ref else replace(state, ref=joined)
    if state.submission is Submission.FIRST_SIGHT and joined.task_id and not state.is_terminal:
        at = ulid_time(joined.task_id, first_seen_at=state.first_seen_at)
        if at is not None:
            return replace(state, submitted_at=at, submission=Submission.ULID)
    return state


# ---- when the clock steps --------------------------------------------------------------------------------------------


def redated(state: TaskState, *, by: float) -> TaskState:
    """The state by a clock that has stepped by so many seconds since. How old an open task is stays in doubt."""
    first_seen_at = state.first_seen_at + by
    moved = replace(
        state,
        first_seen_at=first_seen_at,
        observed_at=_moved(state.observed_at, by),
        open_at=_moved(state.open_at, by),
        running_at=_moved(state.running_at, by),
        finished_at=_moved(state.finished_at, by),
    )
    if state.is_terminal:
        return moved
    submitted_at = state.submitted_at
    if submitted_at == state.first_seen_at:  # it was dated by our clock
        told_at = ulid_time(state.ref.task_id, first_seen_at=first_seen_at) if state.ref.task_id else None
        submitted_at = first_seen_at if told_at is None else told_at
    return replace(moved, submitted_at=submitted_at, submission=Submission.IN_DOUBT)


def doubted(state: TaskState, *, now: float, stepped_at: float, ahead: float = 0.0) -> TaskState:
    """The state, its age in doubt where it began before the clock stepped last, or begins in the future.

    Our clock has stepped forward by ``ahead`` seconds, all in all. Whether it was right before or is right now nobody
    knows: so a task that we came to see after about as long may be dated by one that is so much behind ours.
    """
    if state.status.is_terminal or state.submission is IN_DOUBT:
        return state
    began_at, seen_at = state.submitted_at, state.first_seen_at
    earlier, later = (began_at, seen_at) if began_at < seen_at else (seen_at, began_at)
    may_be_by_two_clocks = ahead > CLOCKS_APART and seen_at - began_at >= ahead / 2
    if earlier < stepped_at or later > now + CLOCKS_APART or may_be_by_two_clocks:
        return replace(state, submission=IN_DOUBT)
    return state


def until(state: TaskState, *, now: float) -> TaskState:
    """What is remembered, with nothing of it observed in the future: the clock may have gone back meanwhile."""
    seen_at = state.first_seen_at
    if max(seen_at, state.observed_at or seen_at, state.finished_at or seen_at) <= now:
        return state
    return replace(
        state,
        first_seen_at=min(state.first_seen_at, now),
        observed_at=_no_later(state.observed_at, now),
        open_at=_no_later(state.open_at, now),
        running_at=_no_later(state.running_at, now),
        finished_at=_no_later(state.finished_at, now),
    )


def _moved(at: float | None, by: float) -> float | None:
    return None if at is None else at + by


def _no_later(at: float | None, now: float) -> float | None:
    return None if at is None else min(at, now)


# ---- answers ---------------------------------------------------------------------------------------------------------


class Said(Protocol):
    """What an answer is compared with."""

    @property
    def status(self) -> Status: ...
    @property
    def eta_seconds(self) -> float | None: ...
    @property
    def credits_estimated(self) -> float | None: ...
    @property
    def misses(self) -> int: ...


def says_as_before(said: Said, observation: Observation, *, has_run: bool) -> bool:
    """Whether an answer says what is known of a task that an answer has shown open, and whose ids it goes by.

    ``observe`` changes ``observed_at`` and ``open_at`` then, and nothing else, and there is nothing to count. So it is
    with nearly every answer. ``has_run``: the task was seen running.
    """
    status = observation.status
    return (
        status is said.status
        and not status.is_terminal
        and (has_run or status is not RUNNING)
        and (observation.estimated_credits is None or observation.estimated_credits == said.credits_estimated)
        and (_positive(observation.estimated_seconds) or said.eta_seconds) == said.eta_seconds
        and not said.misses
    )


def observe(state: TaskState, observation: Observation, *, now: float) -> Step:
    """Take an answer that knows the task."""
    if state.status.is_terminal:
        return Step(state)
    status, estimated = observation.status, observation.estimated_credits
    if status.is_terminal:
        return _end(state, observation, now=now)
    starts = status is RUNNING and state.running_at is None
    after = replace(
        state,
        status=status,
        observed_at=now,
        open_at=now,
        running_at=now if starts else state.running_at,
        eta_seconds=_positive(observation.estimated_seconds) or state.eta_seconds,
        credits_estimated=state.credits_estimated if estimated is None else estimated,
        misses=0,
    )
    return Step(after, state.age(now=now) if starts else None)


def miss(state: TaskState, *, now: float, grace: float) -> Step:
    """Take an answer that does not know the task (404)."""
    if state.is_terminal or now - state.first_seen_at < grace:
        return Step(state)
    state = replace(state, misses=state.misses + 1)
    if state.misses < MISSES_TO_END:
        return Step(state)
    state = replace(state, status=Status.NOT_FOUND, finished_at=now)
    return Step(state, outcome=Outcome(ref=state.ref, status=Status.NOT_FOUND, finished_at=now))


def merge(one: TaskState, other: TaskState) -> TaskState:
    """One task that was followed under two names: what either knew, the more trustworthy first."""
    if one.is_terminal or other.is_terminal:
        ended, rest = (one, other) if one.is_terminal else (other, one)
        return replace(ended, ref=ended.ref.joined(rest.ref))
    latest, earlier = (one, other) if (one.observed_at or 0.0) >= (other.observed_at or 0.0) else (other, one)
    told_by = max(one, other, key=lambda state: (state.submission, -state.submitted_at))
    in_doubt = Submission.IN_DOUBT in (one.submission, other.submission)
    return replace(
        latest,
        ref=one.ref.joined(other.ref),
        first_seen_at=min(one.first_seen_at, other.first_seen_at),
        submitted_at=told_by.submitted_at,
        submission=Submission.IN_DOUBT if in_doubt else told_by.submission,
        open_at=max(_known(one.open_at, other.open_at), default=None),
        running_at=min(_known(one.running_at, other.running_at), default=None),
        eta_seconds=_first(latest.eta_seconds, earlier.eta_seconds),
        credits_estimated=_first(latest.credits_estimated, earlier.credits_estimated),
        misses=0,
    )


def _end(state: TaskState, observation: Observation, *, now: float) -> Step:
    status, used, error_code = observation.status, observation.credits_used, observation.error_code
    eta = _positive(observation.estimated_seconds) or state.eta_seconds
    estimated = state.credits_estimated if observation.estimated_credits is None else observation.estimated_credits
    duration = state.age(now=now)
    after = replace(
        state,
        status=status,
        observed_at=now,
        eta_seconds=eta,
        credits_estimated=estimated,
        credits_used=used,
        error_code=error_code,
        finished_at=now,
        duration=duration,
        misses=0,
    )
    gap = None if state.open_at is None else max(0.0, now - state.open_at)
    eta_ratio = duration / eta if status is COMPLETED and duration is not None and eta else None
    outputs = observation.outputs
    outcome = Outcome(state.ref, status, now, duration, gap, eta_ratio, used, estimated, error_code, outputs)
    return Step(after, None, outcome)


def _first(*values: float | None) -> float | None:
    return next(iter(_known(*values)), None)


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _known(*values: float | None) -> list[float]:
    return [value for value in values if value is not None]
