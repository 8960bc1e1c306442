"""The simulator's own books of requests: how many, how many at once, and when."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

WINDOW_SECONDS = 10
MAX_WINDOWS = 8640

UNKNOWN = ""
"""The account of requests whose key belongs to nobody."""


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


class Visit:
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
    def visit(self, account: str, endpoint: str, *, now: float) -> Iterator[Visit]:
        """Count a request while it lasts. ``now`` is when it came: the window it is logged in."""
        books = self._accounts[account]
        books.requests += 1
        books.in_flight += 1
        books.max_in_flight = max(books.max_in_flight, books.in_flight)
        visit = Visit(books.in_flight)
        try:
            yield visit
        finally:
            books.in_flight -= 1
            books.answers[endpoint, visit.status] += 1
            self._window(now)[account, endpoint, visit.status] += 1

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
