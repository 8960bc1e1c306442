"""What became of one task, in the order in which it was observed. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.polling.poller import Outlook
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState
from exporter.tasks.view import TaskView
from exporter.web.task_pages.rows import HOW_SUBMITTED, next_poll, status_of
from exporter.web.wording import Moment, Mood, State, as_number, moment_at, seconds_in_words


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was observed, and how long after what came before it; ``remark`` may say more."""

    when: Moment
    after: str
    what: State
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Noted:
    at: float
    words: str
    mood: Mood = Mood.NONE
    remark: str = ""


def events(task: TaskView, outlook: Outlook | None, *, now: float) -> Sequence[Event]:
    """From its submission to the last answer, the oldest first."""
    noted = sorted(_noted(task, outlook), key=lambda event: event.at)
    told = []
    before: float | None = None
    for event in noted:
        after = f"{seconds_in_words(event.at - before)} later" if before is not None else ""
        told.append(Event(moment_at(event.at, now), after, State(event.words, event.mood), event.remark))
        before = event.at
    return told


def outlook_of(state: TaskState, outlook: Outlook | None, held: str | None) -> str:
    """What comes next, in a sentence."""
    if state.is_terminal:
        return "It has ended: nothing is asked about it any more."
    planned = next_poll(state, outlook, held)
    failures = outlook.failures if outlook else 0
    again = f" {failures} queries in a row have failed, so it is asked less often." if failures > 1 else ""
    return f"Next poll: {planned}.{again}"


def _noted(task: TaskView, outlook: Outlook | None) -> Iterator[_Noted]:
    state = task.state
    yield _Noted(state.submitted_at, "submitted", remark=HOW_SUBMITTED[state.submission])
    yield _Noted(state.first_seen_at, "followed", remark=f"named by {', '.join(task.sources)}" if task.sources else "")
    yield from _statuses(task)
    if state.observed_at is not None and not state.is_terminal:
        yield _Noted(state.observed_at, f"answered last: {status_of(state).words}", remark=_estimates(state))
    if state.misses:
        said = "time" if state.misses == 1 else "times in a row"
        yield _Noted(max(state.first_seen_at, state.observed_at or 0.0), f"not known to the API, {state.misses} {said}")
    if outlook is not None and outlook.last_miss is not None:
        yield _Noted(outlook.last_miss.at, "a query failed", Mood.BAD, outlook.last_miss.why)


def _statuses(task: TaskView) -> Iterator[_Noted]:
    """Those that this process has seen, and what is remembered from an earlier one."""
    state = task.state
    seen = {change.status for change in task.history}
    if state.running_at is not None and Status.RUNNING not in seen:
        yield _Noted(state.running_at, "running", Mood.BUSY, "remembered")
    for change in task.history:
        is_end = change.status is state.status and state.is_terminal
        at = state.finished_at if is_end and state.finished_at is not None else change.at
        yield _Noted(at, *_worded(change.status), remark=_end(state) if is_end else "")
    if state.finished_at is not None and state.status not in seen:
        yield _Noted(state.finished_at, *_worded(state.status), remark=f"remembered {_end(state)}".strip())


def _worded(status: Status) -> tuple[str, Mood]:
    moods = {
        Status.RUNNING: Mood.BUSY,
        Status.COMPLETED: Mood.GOOD,
        Status.FAILED: Mood.BAD,
        Status.NOT_FOUND: Mood.BAD,
    }
    return status.replace("_", " "), moods.get(status, Mood.NONE)


def _end(state: TaskState) -> str:
    told = []
    if state.duration is not None:
        told.append(f"after {seconds_in_words(state.duration)}")
    if state.credits_used is not None:
        told.append(f"{state.credits_used:,.2f} credits")
    if state.error_code:
        told.append(state.error_code)
    return ", ".join(told)


def _estimates(state: TaskState) -> str:
    told = []
    if state.eta_seconds:
        told.append(f"estimated to take {as_number(state.eta_seconds)} s")
    if state.credits_estimated is not None:
        told.append(f"and {state.credits_estimated:,.2f} credits")
    return " ".join(told).removeprefix("and ")
