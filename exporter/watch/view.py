"""What of the tasks is looked at, and in which order: a value that keys turn into another one. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from exporter.terminal.keyboard import Key
from exporter.watch.overview import BY_WEIGHT, FAILED, Overview, Task

WEIGHTS: Mapping[str, int] = {status: at for at, status in enumerate(BY_WEIGHT)}

LONGEST_SEARCH = 100

FAR = 1 << 30
"""Further than any list goes: ``within`` brings it back."""


class Sort(StrEnum):
    """By what the tasks are sorted: each as it is most useful first."""

    STATUS = "status"
    AGE = "age"
    PROGRESS = "progress"
    CREDITS = "credits"
    NAME = "name"


class Only(StrEnum):
    """Which tasks are shown, beside the search."""

    ALL = "all"
    OPEN = "open"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class View:
    """How the tasks are looked at. ``top`` is the first line shown; ``is_typing``: letters belong to the search."""

    sort: Sort = Sort.STATUS
    is_reversed: bool = False
    only: Only = Only.ALL
    search: str = ""
    is_typing: bool = False
    is_paused: bool = False
    top: int = 0

    def pressed(self, key: str, *, lines: int) -> Self:
        """The view after a key; ``lines`` is what a page of the list has."""
        if self.is_typing:
            return self._typed(key)
        match key:
            case "s":
                return replace(self, sort=_next(Sort, self.sort), top=0)
            case "r":
                return replace(self, is_reversed=not self.is_reversed, top=0)
            case "f":
                return replace(self, only=_next(Only, self.only), top=0)
            case "/":
                return replace(self, is_typing=True)
            case "p" | " ":
                return replace(self, is_paused=not self.is_paused)
            case Key.ESCAPE:
                return replace(self, search="", only=Only.ALL, top=0)
        return self._moved(key, lines)

    def _moved(self, key: str, lines: int) -> Self:
        match key:
            case Key.HOME | "g":
                return replace(self, top=0)
            case Key.END | "G":
                return replace(self, top=FAR)
        by = {Key.UP: -1, Key.DOWN: 1, Key.PAGE_UP: -lines, Key.PAGE_DOWN: lines, "k": -1, "j": 1}.get(key, 0)
        return replace(self, top=max(0, self.top + by))

    def _typed(self, key: str) -> Self:
        match key:
            case Key.ENTER:
                return replace(self, is_typing=False)
            case Key.ESCAPE:
                return replace(self, is_typing=False, search="", top=0)
            case Key.BACKSPACE:
                return replace(self, search=self.search[:-1], top=0)
        is_text = len(key) == 1 and key.isprintable() and len(self.search) < LONGEST_SEARCH
        return replace(self, search=self.search + key, top=0) if is_text else self

    def shown(self, overview: Overview) -> list[Task]:
        """The tasks that are looked at, in order."""
        found = (task for task in overview.tasks if self._has(task))
        return sorted(found, key=lambda task: self._place(task, overview.at), reverse=self.is_reversed)

    def within(self, count: int, *, lines: int) -> Self:
        """The same view, scrolled no further than there are tasks."""
        top = max(0, min(self.top, count - lines))
        return self if top == self.top else replace(self, top=top)

    def _has(self, task: Task) -> bool:
        return _is_meant(task, self.only) and (not self.search or self.search.casefold() in _text_of(task))

    def _place(self, task: Task, now: datetime) -> tuple[float, float, str]:
        """Where a task stands, the least first."""
        match self.sort:
            case Sort.STATUS:
                return WEIGHTS.get(task.status, WEIGHTS["unknown"]), -_latest(task), task.name
            case Sort.AGE:
                return -(task.age(now) or 0.0), 0.0, task.name
            case Sort.PROGRESS:
                return not task.is_open, -(task.progress(now) or 0.0), task.name
            case Sort.CREDITS:
                return -(task.credits_used or task.credits_estimated or 0.0), 0.0, task.name
            case Sort.NAME:
                return 0.0, 0.0, task.name


def _text_of(task: Task) -> str:
    """All by which a task can be found."""
    names = task.task_id, task.out_task_id, task.account, task.group, task.model, task.status, task.error_code
    return "\n".join(filter(None, (*names, *task.labels.values()))).casefold()


def _is_meant(task: Task, only: Only) -> bool:
    match only:
        case Only.ALL:
            return True
        case Only.OPEN:
            return task.is_open
        case Only.FAILED:
            return task.status in FAILED
        case Only.ENDED:
            return not task.is_open


def _latest(task: Task) -> float:
    """When it ended or, while it has not, when it was submitted."""
    at = task.finished_at or task.submitted_at
    return at.timestamp() if at else 0.0


def _next(kind: Iterable[Any], member: Any) -> Any:
    members = list(kind)
    return members[(members.index(member) + 1) % len(members)]
