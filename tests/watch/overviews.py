"""Overviews, as a test needs them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.watch.overview import Overview, Sums, Task

NOW = datetime(2026, 11, 27, 20, 0, 0, tzinfo=UTC)


def task(name: str, status: str = "running", *, age: float = 10.0, **fields: Any) -> Task:
    """A task that was submitted ``age`` seconds ago."""
    named: dict[str, Any] = {"account": "default", "group": "renders", "model": "sora-2", "task_id": name}
    return Task(status=status, submitted_at=NOW - timedelta(seconds=age), **{**named, **fields})


def overview(*tasks: Task, **sums: Any) -> Overview:
    """These tasks, counted."""
    by_status: dict[str, int] = {}
    for each in tasks:
        by_status[each.status] = by_status.get(each.status, 0) + 1
    return Overview(NOW, Sums(**{"by_status": by_status, **sums}), tasks)
