"""How long submitted tasks wait until somebody is told of them: the application, asking through the sidecar, or us."""

from collections.abc import Callable

from exporter.clock import Clock
from exporter.metrics.families.proxy import Asker
from exporter.tasks.tracker import Change, ChangeKind

WAITING = 10_000
"""So many tasks may wait; of more, those that wait the longest are not measured."""

Count = Callable[[str, Asker, float], None]
"""Told of an account, of who asked, and after how many seconds."""


class FirstPolls:
    """Knows tasks by their numbers, from the answer to their submission to the first answer after it."""

    def __init__(self, count: Count, *, clock: Clock) -> None:
        self._count = count
        self._clock = clock
        self._waiting: dict[int, tuple[str, float]] = {}  # by age

    @property
    def are_awaited(self) -> bool:
        """Whether any task waits."""
        return bool(self._waiting)

    def submitted(self, account: str, number: int) -> None:
        """A submission of an account was answered with this task."""
        self._waiting.setdefault(number, (account, self._clock.monotonic()))
        if len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]

    def answered(self, number: int, by: Asker) -> None:
        """Somebody asked about a task, and the API has answered."""
        waited = self._waiting.pop(number, None)
        if waited is not None:
            account, since = waited
            self._count(account, by, self._clock.monotonic() - since)

    def confirmed(self, _account: str, number: int) -> None:
        """A poll of ours said what was known."""
        self.answered(number, Asker.EXPORTER)

    def take(self, change: Change) -> None:
        """A poll of ours said something new, or a task has gone."""
        number = change.task.number
        if change.kind is ChangeKind.ANSWERED:
            self.answered(number, Asker.EXPORTER)
        elif change.kind is ChangeKind.DROPPED:
            self._waiting.pop(number, None)
        elif change.into is not None and (waited := self._waiting.pop(number, None)):
            self._waiting.setdefault(change.into, waited)
