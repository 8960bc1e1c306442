"""What the query string of ``/tasks`` asks for: which tasks, in which order, and which page of them. Pure.

Everything on the page that leads to another one is such a query, so each can be shared as a link.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from exporter.tasks.observation import Status
from exporter.tasks.view import TaskView
from exporter.web.api.listing import Faults

PAGE_SIZE = 50
PAGE_SIZES = (25, PAGE_SIZE, 100, 200)

MOST_RANKED = 5000
"""So many tasks at most are put in order; whoever wants to see more of them says more narrowly which."""

LONGEST = 200
"""Characters of what is sought."""

OPEN, ENDED = "open", "ended"
"""In place of a status: any that is not terminal, any that is."""

STATES = (OPEN, ENDED, *Status)


class Order(StrEnum):
    """What tasks are sorted by; ``-`` before it in the query string is the other way round."""

    TASK = "task"
    STATUS = "status"
    GROUP = "group"
    MODEL = "model"
    SUBMITTED = "submitted"
    PROGRESS = "progress"
    CREDITS = "credits"
    ERROR = "error_code"
    ASKED = "asked"
    NEXT = "next"
    ENDED = "ended"


GREATEST_FIRST = frozenset({Order.SUBMITTED, Order.PROGRESS, Order.CREDITS, Order.ASKED, Order.ENDED})
"""Of these a person wants to see the greatest, or latest, first."""


@dataclass(frozen=True, slots=True)
class Sort:
    """An order and its direction."""

    by: Order = Order.SUBMITTED
    is_reversed: bool = True

    @classmethod
    def read(cls, text: str) -> Self:
        """From the query string; ValueError where there is no such order."""
        return cls(Order(text.removeprefix("-")), text.startswith("-"))

    def __str__(self) -> str:
        return f"-{self.by}" if self.is_reversed else str(self.by)

    def chosen(self, by: Order) -> "Sort":
        """After somebody has chosen a column: its usual direction, or the other one where it is chosen already."""
        return Sort(by, not self.is_reversed if by is self.by else by in GREATEST_FIRST)


USUAL = Sort()

EXACT = ("account", "group", "model", "error_code")
"""What is asked for as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksQuery:
    """What is asked for; what is empty is any. ``search`` is a part of an id or of a label's value."""

    status: str = ""
    account: str = ""
    group: str = ""
    model: str = ""
    error_code: str = ""
    search: str = ""
    is_overdue: bool = False
    sort: Sort = field(default=USUAL)
    page: int = 1
    size: int = PAGE_SIZE

    @classmethod
    def of(cls, params: QueryParams) -> Self:
        """What a query string asks for; a Refusal (422) names every fault in it.

        A browser sends the fields that were left empty, too.
        """
        faults = Faults()
        faults.refuse_unknown(params, {"status", *EXACT, "q", "overdue", "sort", "page", "size"})
        given = {key: value for key, value in params.items() if value}
        status, sort = given.get("status", ""), given.get("sort", str(USUAL))
        size, page = given.get("size", str(PAGE_SIZE)), given.get("page", "1")
        if status and status not in STATES:
            faults.add("status", f"is no status; allowed: {', '.join(STATES)}")
        if given.get("overdue", "yes") != "yes":
            faults.add("overdue", "may be yes, or be left out")
        if sort.removeprefix("-") not in set(Order):
            faults.add("sort", f"is no order; allowed: {', '.join(Order)}, each also with - before it")
        if size not in map(str, PAGE_SIZES):
            faults.add("size", f"is no size of a page; allowed: {', '.join(map(str, PAGE_SIZES))}")
        if not (page.isascii() and page.isdecimal() and len(page) < 10 and int(page) >= 1):
            faults.add("page", "a whole number from 1 on is needed")
        if len(given.get("q", "")) > LONGEST:
            faults.add("q", f"is longer than {LONGEST} characters")
        faults.raise_any()
        return cls(
            status=status,
            **{key: given.get(key, "") for key in EXACT},
            search=given.get("q", "").strip(),
            is_overdue="overdue" in given,
            sort=Sort.read(sort),
            page=min(int(page), MOST_RANKED // int(size)),
            size=int(size),
        )

    def __str__(self) -> str:
        """As a query string, without what is usual."""
        usual = TasksQuery()
        values: Mapping[str, str] = {
            "status": self.status,
            **{key: getattr(self, key) for key in EXACT},
            "q": self.search,
            "overdue": "yes" if self.is_overdue else "",
            "sort": str(self.sort) if self.sort != usual.sort else "",
            "page": str(self.page) if self.page != usual.page else "",
            "size": str(self.size) if self.size != usual.size else "",
        }
        return urlencode({key: value for key, value in values.items() if value}, errors="replace")

    @property
    def link(self) -> str:
        """The same, behind the path."""
        return f"tasks?{self}" if str(self) else "tasks"

    @property
    def is_narrowed(self) -> bool:
        """Whether it asks for fewer than all."""
        return self.cleared != replace(self, page=1)

    @property
    def cleared(self) -> "TasksQuery":
        """All tasks, in the same order."""
        return TasksQuery(sort=self.sort, size=self.size)

    def having(self, status: str) -> "TasksQuery":
        """The same with another status."""
        return replace(self, status=status, page=1)

    def sorted_by(self, by: Order) -> "TasksQuery":
        """The same after a column was chosen."""
        return replace(self, sort=self.sort.chosen(by), page=1)

    def at(self, page: int) -> "TasksQuery":
        """Another page of the same."""
        return replace(self, page=page)

    # ---- which tasks -----------------------------------------------------------------------------------------------

    def matches(self, task: TaskView) -> bool:
        """Whether a task is asked for, apart from its status and from being overdue."""
        labels, state = task.labels, task.state
        return (
            self.group in ("", labels.group)
            and self.account in ("", labels.account)
            and self.model in ("", labels.model)
            and self.error_code in ("", state.error_code)
            and (not self.search or self._is_found(task))
        )

    def takes(self, status: Status) -> bool:
        """Whether tasks of a status are asked for."""
        if self.status == OPEN:
            return not status.is_terminal
        if self.status == ENDED:
            return status.is_terminal
        return self.status in ("", status)

    def _is_found(self, task: TaskView) -> bool:
        sought, ref = self.search.casefold(), task.state.ref
        return any(
            sought in text.casefold()
            for text in (ref.task_id or "", ref.out_task_id or "", *(value for _, value in task.labels.user))
        )
