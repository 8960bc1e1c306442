"""What a callback names is asked about at once. Its word is a hint: only the API's answer is believed."""

from exporter.clock import Clock
from exporter.registration.registrar import Registrar
from exporter.service.accounts import Accounts
from exporter.settings.model import GroupSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Registration
from exporter.tasks.tracker import Tracker


class Hints:
    """Takes hints without asking or writing anything itself, so that a flood of them costs next to nothing."""

    def __init__(self, *, tracker: Tracker, accounts: Accounts, registrar: Registrar, clock: Clock) -> None:
        self._tracker = tracker
        self._accounts = accounts
        self._registrar = registrar
        self._clock = clock

    def take(self, group: GroupSettings, *, task_id: str | None, out_task_id: str | None) -> None:
        """A callback of a group named a task, by one id or both."""
        task = self._tracker.find(TaskRef(group.account, task_id, out_task_id))
        if task is not None:
            self._accounts.poller_of(task).hurry(task)
        elif group.callback_config and group.callback_config.register_unknown:
            # one id alone: that the two belong together is for the API to say
            ref = TaskRef(group.account, task_id) if task_id else TaskRef(group.account, out_task_id=out_task_id)
            self._registrar.offer(Registration(group.name, ref, self._clock.wall()))
