"""Which task is meant by an id in a path: it may be one that the API gave, or the caller's own, of any account."""

from collections.abc import Iterable, Sequence

from exporter.settings.model import AccountSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.view import TaskView
from exporter.web.api.parsing import is_task_id
from exporter.web.interfaces import TaskReader


def refs_of(name: str, *, accounts: Iterable[AccountSettings], account: str | None) -> Sequence[TaskRef]:
    """Whatever an id may mean, in one account or in all; nothing where it can be none.

    Within one account what the API calls so comes before what the caller calls so.
    """
    if not is_task_id(name):
        return ()
    named = [each.name for each in accounts if account in (None, each.name)]
    return [ref for each in named for ref in (TaskRef(each, task_id=name), TaskRef(each, out_task_id=name))]


def found(tasks: TaskReader, refs: Iterable[TaskRef]) -> list[TaskView]:
    """The followed tasks that go by these, each once."""
    some = (task for ref in refs if (task := tasks.find(ref)))
    return list({task.number: task for task in some}.values())


def accounts_of(tasks: Iterable[TaskView]) -> set[str]:
    """Whose tasks these are: with more than one, an id alone does not tell which is meant."""
    return {task.labels.account for task in tasks}
