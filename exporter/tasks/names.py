"""Which entry goes by which id."""

from collections.abc import Iterable

from exporter.tasks.entry import Entry
from exporter.tasks.identity import TaskRef
from exporter.tasks.parted import Parted


class _Account:
    """The ids of one account's tasks, of either kind."""

    __slots__ = ("by_out_task_id", "by_task_id")

    def __init__(self) -> None:
        self.by_task_id: Parted[Entry] = Parted()
        self.by_out_task_id: Parted[Entry] = Parted()


class Names:
    """Finds entries by what a task is called. An id belongs to the entry that had it first, while it has it."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def find(self, ref: TaskRef) -> Entry | None:
        """The entry that goes by one of these ids and may be this task."""
        account = self._accounts.get(ref.account)
        if account is None:
            return None
        if ref.task_id and (task := account.by_task_id.get(ref.task_id)) is not None:
            return task
        if ref.out_task_id and (task := account.by_out_task_id.get(ref.out_task_id)) is not None:
            return task if task.may_be(ref) else None
        return None

    def called(self, ref: TaskRef) -> list[Entry]:
        """The entries that go by these ids, at most one by each; that of the ``task_id`` first."""
        account, called = self._accounts.get(ref.account), []
        if account is not None:
            if ref.task_id and (task := account.by_task_id.get(ref.task_id)) is not None:
                called.append(task)
            if ref.out_task_id and (task := account.by_out_task_id.get(ref.out_task_id)) is not None:
                called.append(task)
        return called

    def add(self, task: Entry) -> bool:
        """Let an entry be found by its ids; tell whether it is by each of them, and none is another's."""
        name, is_found = task.standing.account, True
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = _Account()
        if task.task_id:
            is_found = account.by_task_id.setdefault(task.task_id, task) is task
        if task.out_task_id:
            is_found = account.by_out_task_id.setdefault(task.out_task_id, task) is task and is_found
        return is_found

    def remove(self, task: Entry) -> None:
        """Let an entry be found no more."""
        name = task.standing.account
        account = self._accounts[name]
        _take(account.by_task_id, task.task_id, task)
        _take(account.by_out_task_id, task.out_task_id, task)
        if not (account.by_task_id or account.by_out_task_id):
            del self._accounts[name]


def which_may_be(called: Iterable[Entry], ref: TaskRef) -> Entry | None:
    """The first of those that go by ids of a task which may be this task."""
    for task in called:  # with each answer: a generator would cost as much again
        if task.may_be(ref):
            return task
    return None


def _take(names: Parted[Entry], name: str | None, task: Entry) -> None:
    if name and names.get(name) is task:
        names.remove(name)
