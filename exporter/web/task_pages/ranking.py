"""The first so many of a great many tasks, by some order; of the others nothing is kept. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from exporter.tasks.view import TaskView

Value = str | float | None
"""What tasks are compared by; one that is not known comes last, whichever way round."""

Key = tuple[bool, Any, int]
"""Of two that are not known the number tells; no other value is compared with None."""


class Ranking:
    """Takes tasks slice by slice; what a slice costs does not grow with how many came before.

    Of two that are alike the newer one is first.
    """

    def __init__(self, value_of: Callable[[TaskView], Value], *, is_reversed: bool, most: int) -> None:
        self._value_of = value_of
        self._is_reversed = is_reversed
        self._most = most
        self._best: list[tuple[Key, TaskView]] = []

    @property
    def tasks(self) -> Sequence[TaskView]:
        """The first ones, in order."""
        return [task for _, task in self._best]

    def add(self, tasks: Iterable[TaskView]) -> None:
        """Take some more."""
        new = [(self._key(task), task) for task in tasks]
        if len(self._best) == self._most:
            last = self._best[-1][0]
            new = [entry for entry in new if (entry[0] > last if self._is_reversed else entry[0] < last)]
        if new:
            best = [*self._best, *new]
            best.sort(key=lambda entry: entry[0], reverse=self._is_reversed)
            self._best = best[: self._most]

    def _key(self, task: TaskView) -> Key:
        value = self._value_of(task)
        if self._is_reversed:
            return value is not None, value, task.number
        return value is None, value, -task.number
