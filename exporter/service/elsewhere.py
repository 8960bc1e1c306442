"""What is known here of the accounts that other exporters follow, where several share a ledger: who owns each, as far
as has been seen, and what the ledger has of its tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from exporter.registration.registry import Registry, items_of, registered_source
from exporter.replicas.lease import Member, replica_of
from exporter.settings.reload import CurrentSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, Registration, TaskLabels
from exporter.tasks.state import TaskState, begin
from exporter.tasks.view import TaskView

NOWHERE = -1
"""The number of a task that is not followed in this process."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Another exporter: its ``--replica.id``, and the URL before the paths of its pages, empty where it has none."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class KeptTask:
    """A task as the ledger has it. ``owner`` follows it: None, where none is known to own its account now.

    Its group, model and labels are those of its registration: of a task that has none they are empty.
    """

    task: TaskView
    owner: Owner | None


class Known(Protocol):
    """What is needed of the ledger."""

    async def kept(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]: ...


class Elsewhere:
    """All methods belong to the event loop. ``follows``: whether an account's tasks are followed here; ``other_owner``
    is the other process that owns it."""

    def __init__(
        self,
        *,
        settings: CurrentSettings,
        registry: Registry,
        ledger: Known,
        follows: Callable[[str], bool],
        other_owner: Callable[[str], Member | None],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._ledger = ledger
        self._follows = follows
        self._other_owner = other_owner

    def accounts(self) -> Mapping[str, Owner | None]:
        """The configured accounts whose tasks are not followed here, each with whoever is known to own it."""
        names = (account.name for account in self._settings.value.accounts)
        return {name: self._owner(name) for name in names if not self._follows(name)}

    async def find(self, refs: Sequence[TaskRef]) -> Sequence[KeptTask]:
        """The tasks that go by these and are not followed here, each once; LedgerError where they cannot be read."""
        asked = [ref for ref in refs if not self._follows(ref.account)]
        if not asked:
            return ()
        states = await self._ledger.kept(asked)
        found = (self._task(ref, states.get(ref)) for ref in asked)
        tasks = {task.state.ref: task for task in found if task is not None}
        return [KeptTask(task, self._owner(task.state.ref.account)) for task in tasks.values()]

    def _task(self, ref: TaskRef, state: TaskState | None) -> TaskView | None:
        """What its registration and the ledger's state of it say; a task that was just registered has no state yet."""
        registration = next(iter(self._registry.naming([ref, *(state.ref.each() if state else ())])), None)
        if registration is None:
            return TaskView(NOWHERE, TaskLabels(ref.account, ""), state) if state else None
        item = self._item(registration)
        state = state or begin(item, now=registration.registered_at)
        return TaskView(NOWHERE, item.labels, state, (registered_source(registration.group),))

    def _item(self, registration: Registration) -> Item:
        groups = self._settings.value.task_groups
        items = (
            item for group in groups if group.name == registration.group for item in items_of(group, [registration])
        )
        labels = TaskLabels(registration.ref.account, registration.group, registration.model, registration.labels)
        return next(items, Item(registration.ref, labels, registration.submitted_at))

    def _owner(self, account: str) -> Owner | None:
        member = self._other_owner(account)
        return None if member is None else Owner(replica_of(member.owner), member.url)
