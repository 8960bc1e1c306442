"""Pages of followed tasks: in the order in which they came, whatever comes and goes between two pages or within one."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from starlette.datastructures import QueryParams

from exporter.settings.errors import shown
from exporter.tasks.observation import Status
from exporter.tasks.view import TaskView
from exporter.web.api.refusals import Refusal
from exporter.web.interfaces import TaskReader

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

SLICE = 1000
"""So many tasks are looked at in one turn of the event loop."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks are meant; None is any."""

    group: str | None = None
    status: str | None = None
    account: str | None = None

    @classmethod
    def of(cls, params: QueryParams) -> Self:
        """Those that a query gives."""
        return cls(params.get("group"), params.get("status"), params.get("account"))

    def match(self, task: TaskView) -> bool:
        """Whether a task is among them."""
        return (
            self.group in (None, task.labels.group)
            and self.account in (None, task.labels.account)
            and self.status in (None, str(task.state.status))
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks, and the number of the last one where there are more."""

    tasks: tuple[TaskView, ...]
    last: int | None


class TaskWalk:
    """Goes through the followed tasks slice by slice.

    The slices of all requests queue for one lock, so that one turn of the event loop sees one slice at most, however
    many requests go through however many tasks.
    """

    def __init__(self, tasks: TaskReader) -> None:
        self._tasks = tasks
        self._slicing = asyncio.Lock()

    async def page(self, filters: Filters, *, after: int, limit: int) -> Page:
        """The first so many tasks after a number that the filters match."""
        found: list[TaskView] = []
        while views := await self._slice(after):
            after = views[-1].number
            found += filter(filters.match, views)
            if len(found) > limit:
                return Page(tuple(found[:limit]), found[limit - 1].number)
        return Page(tuple(found), None)

    async def open_tasks(self, filters: Filters, *, limit: int) -> tuple[list[TaskView], int]:
        """The first so many tasks that have not ended and that the filters match; how many more there are."""
        found: list[TaskView] = []
        after, count = -1, 0
        while views := await self._slice(after):
            after = views[-1].number
            still_open = [task for task in views if not task.state.is_terminal and filters.match(task)]
            found += still_open[: limit - len(found)]
            count += len(still_open)
        return found, count - len(found)

    async def slices(self, *, size: int) -> AsyncIterator[Sequence[TaskView]]:
        """All tasks, so many at a time, for whoever looks at each of a slice before the next one is asked for."""
        after = -1
        while views := await self._slice(after, size):
            after = views[-1].number
            yield views

    async def _slice(self, after: int, size: int | None = None) -> Sequence[TaskView]:
        async with self._slicing:
            await asyncio.sleep(0)
            return self._tasks.views(after=after, limit=size or SLICE)


@dataclass(frozen=True, slots=True)
class Cursors:
    """Where a page ended, as an opaque text. Numbers begin anew with each process, so a text names its ``life``."""

    life: str

    def write(self, number: int) -> str:
        return f"{self.life}-{number}"

    def read(self, text: str | None) -> int:
        """The number in a text; ValueError where it is of another life, or none at all."""
        if text is None:
            return -1
        life, _, number = text.partition("-")
        if life != self.life or not number.isdecimal() or not number.isascii() or len(number) > 18:
            raise ValueError("is not a cursor of this run of the exporter; begin again without one")
        return int(number)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What the query string of a page asks for: which tasks, how many, and after which one."""

    filters: Filters
    limit: int
    after: int

    @classmethod
    def of(cls, params: QueryParams, cursors: Cursors) -> Self:
        """What is asked for; a Refusal names every fault in it."""
        faults = Faults()
        faults.refuse_unknown(params, {"group", "status", "account", "limit", "cursor"})
        status, limit, after = params.get("status"), params.get("limit", str(DEFAULT_LIMIT)), -1
        if status is not None and status not in set(Status):
            faults.add("status", f"is no status; allowed: {', '.join(Status)}")
        if not (limit.isascii() and limit.isdecimal() and len(limit) < 10 and 1 <= int(limit) <= MAX_LIMIT):
            faults.add("limit", f"a whole number from 1 to {MAX_LIMIT} is needed")
        try:
            after = cursors.read(params.get("cursor"))
        except ValueError as error:
            faults.add("cursor", str(error))
        faults.raise_any()
        return cls(Filters.of(params), int(limit), after)


class Faults:
    """Collects what is wrong with a query string."""

    def __init__(self) -> None:
        self._errors: list[dict[str, object]] = []

    def add(self, key: str, message: str) -> None:
        self._errors.append({"key": shown(key), "message": message})

    def refuse_unknown(self, params: QueryParams, allowed: Iterable[str]) -> None:
        for key in dict.fromkeys(params):
            if key not in allowed:
                self.add(key, f"is no parameter; allowed: {', '.join(sorted(allowed))}")
            elif len(params.getlist(key)) > 1:
                self.add(key, "stands twice; give it once")

    def raise_any(self) -> None:
        if self._errors:
            raise Refusal(422, *self._errors)
