"""``/tasks/{id}``: what stands on it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from exporter.intake.answers import LastAnswer
from exporter.polling.poller import Outlook
from exporter.tasks.view import TaskView
from exporter.web.task_pages.query import TasksQuery
from exporter.web.task_pages.redaction import readable
from exporter.web.task_pages.rows import TaskRow, answered_at, row
from exporter.web.task_pages.story import Event, events, outlook_of
from exporter.web.wording import Moment, as_utc, moment_at

REFRESH = 5
"""Seconds between two looks of a page that refreshes itself; a task that has ended does not change any more."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several tasks that go by one id."""

    account: str
    link: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The last answer in words; ``text`` is empty where it is not kept, and ``remark`` says why."""

    came: Moment | None
    text: str
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """Everything on the page."""

    now: str
    refresh: int
    task: TaskRow
    sources: Sequence[str]
    events: Sequence[Event]
    outlook: str
    held: str | None
    answer: Shown
    probe: str
    others: str


def task_page(
    task: TaskView,
    outlook: Outlook | None,
    answer: LastAnswer | None,
    *,
    now: float,
    is_overdue: bool,
    held: str | None,
    mask: Callable[[str], str],
) -> TaskPage:
    """The page of one instant; ``mask`` takes the known secrets out of a text."""
    labels, state = task.labels, task.state
    return TaskPage(
        now=as_utc(now),
        refresh=0 if state.is_terminal else REFRESH,
        task=row(task, outlook, now=now, is_overdue=is_overdue, held=held),
        sources=task.sources,
        events=events(task, outlook, now=now),
        outlook=outlook_of(state, outlook, held),
        held=held,
        answer=_answer(task, answer, now=now, mask=mask),
        probe=_probe(task),
        others=TasksQuery(account=labels.account, group=labels.group, model=labels.model).link,
    )


def _answer(task: TaskView, answer: LastAnswer | None, *, now: float, mask: Callable[[str], str]) -> Shown:
    if answer is None:
        if answered_at(task.state) is None:
            return Shown(None, "", "No answer has told of it yet.")
        return Shown(None, "", "Not kept: only of the tasks that changed last, and since this start.")
    came = moment_at(answer.at, now)
    if answer.said is None:
        return Shown(came, "", f"Not kept: it had {answer.length:,} bytes.")
    return Shown(came, readable(answer.said.text, mask), "")


def _probe(task: TaskView) -> str:
    """Where the API is asked about it now, and the answer is shown in words."""
    ref = task.state.ref
    name = {"task_id": ref.task_id} if ref.task_id else {"out_task_id": ref.out_task_id or ""}
    return f"probe?{urlencode({'account': ref.account, **name, 'debug': 'true'}, errors='replace')}"
