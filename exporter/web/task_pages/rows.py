"""What the pages say of one task: numbers in words, and its age against its ETA as a bar. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from exporter.polling.poller import Outlook
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState
from exporter.tasks.view import TaskView
from exporter.web.wording import Moment, Mood, State, as_age, as_number, moment, moment_at, seconds_in_words

FULL = 100.0
"""The width of a bar; the ETA is in its middle, so that it is full at twice the ETA."""

MOODS = {
    Status.RUNNING: Mood.BUSY,
    Status.COMPLETED: Mood.GOOD,
    Status.FAILED: Mood.BAD,
    Status.NOT_FOUND: Mood.BAD,
    Status.UNKNOWN: Mood.BAD,
}
"""Of the other statuses none is good or bad."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Age against ETA: how much of ``FULL`` is filled, where on it the ETA is, and how good that is."""

    filled: float
    kind: str
    eta_at: float = FULL / 2


@dataclass(frozen=True, slots=True)
class Progress:
    """A task's age, or how long it took, in words; ``bar`` is None where it has no ETA."""

    words: str
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class Amount:
    """Credits; an estimate is only that."""

    words: str
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task; what is not known is None or empty."""

    name: str
    other_name: str
    link: str
    account: str
    group: str
    model: str
    labels: Sequence[tuple[str, str]]
    status: State
    is_overdue: bool
    submitted: Moment
    progress: Progress
    credits: Amount | None
    error_code: str
    asked: Moment | None
    next_poll: str


def row(
    task: TaskView, outlook: Outlook | None, *, now: float, is_overdue: bool, held: str | None = None, account: str = ""
) -> TaskRow:
    """A task at one instant. ``held`` is why its account asks nothing, ``account`` is named in its link."""
    state, labels, ref = task.state, task.labels, task.state.ref
    return TaskRow(
        name=ref.task_id or ref.out_task_id or "",
        other_name=ref.out_task_id or "" if ref.task_id else "",
        link=link_to(task, account),
        account=labels.account,
        group=labels.group,
        model=labels.model,
        labels=labels.user,
        status=status_of(state),
        is_overdue=is_overdue,
        submitted=moment_at(state.submitted_at, now),
        progress=progress(state, now=now, is_overdue=is_overdue),
        credits=credits_of(state),
        error_code=state.error_code or "",
        asked=moment(answered_at(state), now),
        next_poll=next_poll(state, outlook, held),
    )


def link_to(task: TaskView, account: str = "") -> str:
    """Its page, below the root; the account where the id alone may not tell which task is meant."""
    ref = task.state.ref
    path = f"tasks/{quote(ref.task_id or ref.out_task_id or '', safe='', errors='replace')}"
    return f"{path}?{urlencode({'account': account}, errors='replace')}" if account else path


def status_of(state: TaskState) -> State:
    """Its status and how good that is."""
    return State(state.status.replace("_", " "), MOODS.get(state.status, Mood.NONE))


def age_of(state: TaskState, *, now: float) -> float | None:
    """Seconds since its submission, or what it took; None where it ended and that is not known."""
    return state.duration if state.is_terminal else max(0.0, now - state.submitted_at)


def ratio_of(state: TaskState, *, now: float) -> float | None:
    """Its age as a multiple of its ETA."""
    age = age_of(state, now=now)
    return age / state.eta_seconds if age is not None and state.eta_seconds else None


def progress(state: TaskState, *, now: float, is_overdue: bool) -> Progress:
    """Its age against its ETA."""
    age, ratio = age_of(state, now=now), ratio_of(state, now=now)
    if age is None:
        return Progress("not known", None)
    if ratio is None or state.eta_seconds is None:
        return Progress(_seconds(age), None)
    words = f"{_seconds(age)} of {_seconds(state.eta_seconds)}"
    if ratio >= 2:
        words += f" ({as_number(ratio)} times)"
    return Progress(words, Bar(min(FULL, ratio * FULL / 2), _kind(state, ratio, is_overdue=is_overdue)))


def answered_at(state: TaskState) -> float | None:
    """When the last answer came; of a task that ended before this start, the one that ended it."""
    return state.observed_at if state.observed_at is not None else state.finished_at


def credits_of(state: TaskState) -> Amount | None:
    """What it used; before it has, the estimate."""
    if state.credits_used is not None:
        return Amount(_amount(state.credits_used), is_estimate=False)
    if state.credits_estimated is not None and not state.is_terminal:
        return Amount(_amount(state.credits_estimated), is_estimate=True)
    return None


def next_poll(state: TaskState, outlook: Outlook | None, held: str | None) -> str:
    """When the task is asked about next, or why it is not; empty where it has ended."""
    if state.is_terminal:
        return ""
    if outlook is not None and outlook.is_asked:
        return "being asked"
    if held is not None:
        return f"held back: {held}"
    if outlook is None or outlook.due_in is None:
        return "not planned"
    if outlook.is_streamed:
        return "streamed"
    late = -outlook.due_in
    return f"late by {as_age(late)}" if late >= 1 else f"in {as_age(outlook.due_in)}"


HOW_SUBMITTED = {
    Submission.IN_DOUBT: "in doubt: the clock has stepped since",
    Submission.FIRST_SIGHT: "first seen: nobody says when it was submitted",
    Submission.ULID: "read from its task_id",
    Submission.SOURCE: "as its source says",
}


def _kind(state: TaskState, ratio: float, *, is_overdue: bool) -> str:
    if state.is_terminal:
        return "other"
    if is_overdue:
        return "bad"
    return "partly" if ratio > 1 else "open"


def _seconds(seconds: float) -> str:
    return seconds_in_words(seconds) if seconds < 10 else as_age(seconds)


def _amount(credits_: float) -> str:
    return f"{credits_:,.2f}"
