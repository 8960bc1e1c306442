"""The simulator's own books of tasks: what a faithful observer must arrive at, to the cent."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from exporter.simulator.catalogue import Kind
from exporter.simulator.money import Cents, usd
from exporter.simulator.task import Status, Task


@dataclass(slots=True)
class Page:
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
        fate = task.fate
        self.outcomes[fate.status] += 1
        if fate.credits_used is not None:
            self.credits_used[fate.status] += fate.credits_used
        if fate.error_code is not None:
            self.error_codes[fate.error_code] += 1
        if fate.status is Status.COMPLETED:
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


class Books:
    """The sums over all tasks and, apart, over those of each account and model."""

    def __init__(self) -> None:
        self.total = Page()
        self._groups: dict[tuple[str, str], Page] = {}

    def submitted(self, task: Task) -> None:
        for page in self._pages(task):
            page.submit()

    def ended(self, task: Task) -> None:
        for page in self._pages(task):
            page.end(task)

    def as_json(self) -> dict[str, Any]:
        groups = [
            {"account": account, "model": model, **page.as_json()}
            for (account, model), page in sorted(self._groups.items())
        ]
        return {**self.total.as_json(), "groups": groups}

    def _pages(self, task: Task) -> tuple[Page, Page]:
        return self.total, self._groups.setdefault((task.account, task.model), Page())
