"""What the ledger says of the tasks of one batch, kept true while the batch is being built."""

from collections.abc import Iterable, Mapping
from typing import Any

from exporter.tasks.identity import IdKey, TaskRef
from exporter.tasks.state import TaskState


class Known:
    """Which of these tasks have ended, have run, and which rows of theirs are open."""

    def __init__(self, ended: Iterable[Mapping[str, Any]], open_: Iterable[Mapping[str, Any]]) -> None:
        self._ended: dict[IdKey, list[TaskRef]] = {}
        self._run: dict[IdKey, list[TaskRef]] = {}
        self._open: dict[IdKey, list[tuple[TaskRef, int]]] = {}
        for row in ended:
            self._end(_ref(row))
        for row in open_:
            ref = _ref(row)
            for key in ref.ids():
                self._open.setdefault(key, []).append((ref, row["id"]))
            if row["running_at"] is not None:
                self._start(ref)

    def has_ended(self, ref: TaskRef) -> bool:
        return _names_one_of(ref, self._ended)

    def has_run(self, ref: TaskRef) -> bool:
        return _names_one_of(ref, self._run)

    def open_rows(self, ref: TaskRef) -> set[int]:
        """The ids of the rows that a new row of this task replaces."""
        return {row for key in ref.ids() for other, row in self._open.get(key, ()) if other.may_be(ref)}

    def note(self, state: TaskState) -> None:
        """Take what the batch is about to write for what the ledger says."""
        if state.is_terminal:
            self._end(state.ref)
        if state.running_at is not None:
            self._start(state.ref)

    def _end(self, ref: TaskRef) -> None:
        for key in ref.ids():
            self._ended.setdefault(key, []).append(ref)

    def _start(self, ref: TaskRef) -> None:
        for key in ref.ids():
            self._run.setdefault(key, []).append(ref)


def _ref(row: Mapping[str, Any]) -> TaskRef:
    return TaskRef(row["account"], row["task_id"], row["out_task_id"])


def _names_one_of(ref: TaskRef, named: Mapping[IdKey, list[TaskRef]]) -> bool:
    return any(other.may_be(ref) for key in ref.ids() for other in named.get(key, ()))
