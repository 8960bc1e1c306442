"""The simulator's own books: what a faithful observer must arrive at, to the cent, and what was seen of the clients.

``Books`` are of tasks: their sums, how often each was asked for, and how soon its end was noticed. ``Traffic`` is of
requests, whatever they were about.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from exporter.simulator.catalogue import Kind
from exporter.simulator.money import Cents, usd
from exporter.simulator.tasks import Status, Task

MINUTE = 60.0

WINDOW_SECONDS = 10
MAX_WINDOWS = 8640

UNKNOWN = ""
"""The account of requests whose key belongs to nobody."""


@dataclass(slots=True)
class TaskTotals:
    """The sums over some tasks. ``credits_estimated`` is of completed tasks, ``credits_used`` by final status."""

    submitted: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    error_codes: Counter[str] = field(default_factory=Counter)
    credits_used: Counter[str] = field(default_factory=Counter)
    credits_estimated: Cents = 0
    outputs: Counter[str] = field(default_factory=Counter)
    output_video_seconds: int = 0

    def submit(self) -> None:
        self.submitted += 1

    def end(self, task: Task) -> None:
        end = task.lifecycle
        self.outcomes[end.status] += 1
        if end.credits_used is not None:
            self.credits_used[end.status] += end.credits_used
        if end.error_code is not None:
            self.error_codes[end.error_code] += 1
        if end.status is Status.COMPLETED:
            self._complete(task)

    def _complete(self, task: Task) -> None:
        self.credits_estimated += task.estimate
        self.outputs[task.kind] += 1 if task.kind is Kind.VIDEO else task.units
        self.output_video_seconds += task.units if task.kind is Kind.VIDEO else 0

    def as_json(self) -> dict[str, Any]:
        return {
            "submitted": self.submitted,
            "open": self.submitted - self.outcomes.total(),
            "outcomes": {status: self.outcomes[status] for status in ("completed", "failed", "cancelled")},
            "error_codes": dict(self.error_codes),
            "credits_used": usd(self.credits_used.total()),
            "credits_used_by_status": {status: usd(amount) for status, amount in self.credits_used.items()},
            "credits_estimated": usd(self.credits_estimated),
            "outputs": dict(self.outputs),
            "output_video_seconds": self.output_video_seconds,
        }


@dataclass(slots=True)
class TaskQueries:
    """How often one task was asked for, and how long after its end (seconds) an answer first showed that."""

    count: int = 0
    most_per_minute: int = 0
    detection_seconds: float | None = None
    _recent: deque[float] | None = None

    def add(self, now: float) -> None:
        recent = self._recent = self._recent or deque()
        recent.append(now)
        while recent[0] <= now - MINUTE:
            recent.popleft()
        self.count += 1
        self.most_per_minute = max(self.most_per_minute, len(recent))


@dataclass(slots=True)
class QueryTotals:
    """The same over some tasks; ``most_per_minute`` is of the one that was asked for most often."""

    tasks: int = 0
    ended: int = 0
    queries: int = 0
    most_per_minute: int = 0
    detected: int = 0
    detection_sum: float = 0.0
    detection_max: float = 0.0

    def detect(self, seconds: float) -> None:
        self.detected += 1
        self.detection_sum += seconds
        self.detection_max = max(self.detection_max, seconds)

    def detection(self) -> dict[str, Any]:
        """Of the tasks whose end was noticed; mean and maximum are null where there is none."""
        mean = self.detection_sum / self.detected if self.detected else None
        return {
            "count": self.detected,
            "mean_seconds": mean,
            "max_seconds": self.detection_max if self.detected else None,
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "tasks": self.tasks,
            "ended": self.ended,
            "queries": self.queries,
            "max_queries_per_minute": self.most_per_minute,
            "detection": self.detection(),
        }


class Books:
    """The books of all tasks, and apart those of each account and model, of each batch by its tag, of each poison.

    A task whose poison hides it is submitted and stays open, as an observer must see it.
    """

    def __init__(self) -> None:
        self.total = TaskTotals()
        self._groups: dict[tuple[str, str], TaskTotals] = {}
        self._tasks: dict[str, TaskQueries] = {}
        self._all = QueryTotals()
        self._batches: defaultdict[str, QueryTotals] = defaultdict(QueryTotals)
        self._poisons: defaultdict[str, QueryTotals] = defaultdict(QueryTotals)

    def submitted(self, task: Task) -> None:
        """A task came."""
        for totals in self._totals(task):
            totals.submit()
        for queries in self._query_totals(task):
            queries.tasks += 1

    def ended(self, task: Task) -> None:
        """A task came to its end."""
        if not task.is_hidden:
            for totals in self._totals(task):
                totals.end(task)
        for queries in self._query_totals(task):
            queries.ended += 1

    def queried(self, task: Task, now: float) -> None:
        """A request asked for a task, whatever it will be answered."""
        own = self._tasks.setdefault(task.task_id, TaskQueries())
        own.add(now)
        for queries in self._query_totals(task):
            queries.queries += 1
            queries.most_per_minute = max(queries.most_per_minute, own.most_per_minute)

    def told_end(self, task: Task, now: float) -> None:
        """An answer to a request for a task said that it has ended; only the first one counts."""
        own = self._tasks.setdefault(task.task_id, TaskQueries())
        if own.detection_seconds is None:
            own.detection_seconds = now - task.lifecycle.end_at
            for queries in self._query_totals(task):
                queries.detect(own.detection_seconds)

    def queries(self, task_id: str) -> TaskQueries:
        """What was asked about one task."""
        return self._tasks.get(task_id, TaskQueries())

    def as_json(self) -> dict[str, Any]:
        groups = [
            {"account": account, "model": model, **totals.as_json()}
            for (account, model), totals in sorted(self._groups.items())
        ]
        return {
            **self.total.as_json(),
            "groups": groups,
            "detection": self._all.detection(),
            "batches": {tag: queries.as_json() for tag, queries in sorted(self._batches.items())},
            "poison": {kind: queries.as_json() for kind, queries in sorted(self._poisons.items())},
        }

    def _totals(self, task: Task) -> tuple[TaskTotals, TaskTotals]:
        return self.total, self._groups.setdefault((task.account, task.model), TaskTotals())

    def _query_totals(self, task: Task) -> Iterator[QueryTotals]:
        yield self._all
        if task.tag:
            yield self._batches[task.tag]
        if task.poison is not None:
            yield self._poisons[task.poison.kind]


@dataclass(slots=True)
class AccountTraffic:
    """The requests of one account; those turned away for concurrency are in flight for their short while, too."""

    requests: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        by_endpoint: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (endpoint, status), count in sorted(self.answers.items()):
            by_endpoint[endpoint][str(status)] = count
        return {
            "requests": self.requests,
            "in_flight": self.in_flight,
            "max_concurrent": self.max_in_flight,
            "by_endpoint": dict(by_endpoint),
        }


class TrackedRequest:
    """One request while it is served; ``status`` is the HTTP status it was answered with, 0 before."""

    __slots__ = ("in_flight", "status")

    def __init__(self, in_flight: int) -> None:
        self.in_flight = in_flight
        self.status = 0


class Traffic:
    """Requests by account, and a log of counts in windows of ten seconds, the last day of them."""

    def __init__(self) -> None:
        self._accounts: defaultdict[str, AccountTraffic] = defaultdict(AccountTraffic)
        self._windows: OrderedDict[int, Counter[tuple[str, str, int]]] = OrderedDict()

    @contextmanager
    def track(self, account: str, endpoint: str, *, now: float) -> Iterator[TrackedRequest]:
        """Count a request while it lasts. ``now`` is when it came: the window it is logged in."""
        books = self._accounts[account]
        books.requests += 1
        books.in_flight += 1
        books.max_in_flight = max(books.max_in_flight, books.in_flight)
        tracked = TrackedRequest(books.in_flight)
        try:
            yield tracked
        finally:
            books.in_flight -= 1
            books.answers[endpoint, tracked.status] += 1
            self._window(now)[account, endpoint, tracked.status] += 1

    def requests(self, account: str) -> int:
        """How many requests of an account came."""
        return self._accounts[account].requests if account in self._accounts else 0

    def as_json(self) -> dict[str, Any]:
        return {account: books.as_json() for account, books in sorted(self._accounts.items())}

    def log(self) -> list[dict[str, Any]]:
        """The windows, oldest first; ``start`` is Unix seconds."""
        return [
            {"start": start, "account": account, "endpoint": endpoint, "status": status, "count": count}
            for start, window in self._windows.items()
            for (account, endpoint, status), count in sorted(window.items())
        ]

    def _window(self, now: float) -> Counter[tuple[str, str, int]]:
        start = int(now // WINDOW_SECONDS) * WINDOW_SECONDS
        if start not in self._windows:
            self._windows[start] = Counter()
            if len(self._windows) > MAX_WINDOWS:
                self._windows.popitem(last=False)
        return self._windows[start]
