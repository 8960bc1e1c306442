"""``/tasks/{id}`` of a task that another exporter follows: what stands on it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.service.elsewhere import KeptTask
from exporter.web.others import link_at
from exporter.web.task_pages.rows import TaskRow, link_to, row
from exporter.web.task_pages.story import Event, events
from exporter.web.wording import as_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPage:
    """Everything on the page; ``owner`` is empty where none is known, ``link`` where its page cannot be led to."""

    now: str
    task: TaskRow
    events: Sequence[Event]
    owner: str
    link: str


def kept_page(kept: KeptTask, *, now: float) -> KeptPage:
    """The page of one instant."""
    task, owner = kept.task, kept.owner
    return KeptPage(
        now=as_utc(now),
        task=row(task, None, now=now, is_overdue=False),
        events=events(task, None, now=now),
        owner=owner.id if owner else "",
        link=link_at(owner, link_to(task, task.labels.account)),
    )
