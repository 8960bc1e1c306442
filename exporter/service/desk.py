"""The exporter as the web has it: frozen views of the tasks, and one way in and out for registrations."""

from bisect import bisect_right
from collections.abc import Sequence

from exporter.registration.registrar import Registrar, Result
from exporter.registration.registry import Registry
from exporter.service.hints import Hints
from exporter.settings.model import GroupSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.task import Task
from exporter.tasks.tracker import Tracker
from exporter.tasks.view import StatusChange, TaskView


class TrackedTasks:
    """The tasks of a tracker, as views."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def find(self, ref: TaskRef) -> TaskView | None:
        """The task that goes by one of these ids."""
        task = self._tracker.find(ref)
        return None if task is None else _view(task)

    def views(self, *, after: int = -1, limit: int) -> Sequence[TaskView]:
        """The tasks that come after a number."""
        tasks = list(self._tracker)
        begin = bisect_right(tasks, after, key=lambda task: task.number)
        return [_view(task) for task in tasks[begin : begin + limit]]


class Registrations:
    """Registering, giving up, and hints."""

    def __init__(self, registrar: Registrar, registry: Registry, hints: Hints) -> None:
        self._registrar = registrar
        self._registry = registry
        self._hints = hints

    async def register(self, registrations: Sequence[Registration]) -> Sequence[Result]:
        """Follow these from now on; raises RegistrationError or LedgerError."""
        return await self._registrar.register(registrations)

    async def unregister(self, registrations: Sequence[Registration]) -> None:
        """Give these up; raises LedgerError."""
        await self._registrar.unregister(registrations)

    def naming(self, refs: Sequence[TaskRef]) -> Sequence[Registration]:
        """The registrations that go by one of these references."""
        return self._registry.naming(refs)

    def hint(self, group: GroupSettings, ref: TaskRef) -> None:
        """Ask about a task soon."""
        self._hints.take(group, task_id=ref.task_id, out_task_id=ref.out_task_id)


def _view(task: Task) -> TaskView:
    return TaskView(
        number=task.number,
        labels=task.labels,
        state=task.state,
        sources=tuple(dict.fromkeys(claim.source for claim in task.claims)),
        history=tuple(StatusChange(turn.at, turn.status) for turn in task.history),
    )
