"""Which task is meant by an id in a path: it may be one that the API gave, or the caller's own, of any account.

What is followed here comes first; what another exporter follows is looked up in the ledger that both have.
"""

from collections.abc import Iterable, Sequence

from exporter.service.elsewhere import KeptTask
from exporter.settings.model import AccountSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.view import TaskView
from exporter.web.api.parsing import is_task_id
from exporter.web.api.refusals import ConcurrencyLimit
from exporter.web.interfaces import RunningExporter, TaskReader

LOOK_UPS = 4
"""So many may be under way: each takes the ledger's thread for some milliseconds, and commits wait meanwhile."""


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


class LookUps:
    """Looks tasks up that are not followed here, a few at a time."""

    def __init__(self, exporter: RunningExporter) -> None:
        self._exporter = exporter
        self._limit = ConcurrencyLimit(LOOK_UPS)

    async def found(self, refs: Sequence[TaskRef]) -> Sequence[KeptTask]:
        """Those that go by these; raise LedgerError, or a Refusal (429) where too many are looked up already."""
        with self._limit.slot():
            return await self._exporter.elsewhere.find(refs)


def accounts_of(tasks: Iterable[TaskView]) -> set[str]:
    """Whose tasks these are: with more than one, an id alone does not tell which is meant."""
    return {task.labels.account for task in tasks}
