"""``watch`` where there is no screen to paint: a line whenever something has changed, as a log has them (logfmt)."""

from collections.abc import Iterator
from datetime import UTC, datetime

from structlog.processors import LogfmtRenderer

from exporter.terminal.text import harmless
from exporter.terminal.words import credits_text
from exporter.watch.overview import FAILED, Overview, Task


class Lines:
    """Says what has changed from one overview to the next; of the first, how it stands, and which tasks have failed."""

    def __init__(self) -> None:
        self._statuses: dict[tuple[str, str], str] | None = None
        self._counts: dict[str, int] | None = None
        self._silent: dict[str, str] = {}
        self._fault: str | None = None
        self._write = LogfmtRenderer(key_order=["ts", "event"], drop_missing=True)

    def of(self, overview: Overview) -> Iterator[str]:
        """The lines that an overview is worth."""
        if self._fault is not None:
            self._fault = None
            yield self._line(overview.at, "answers_again")
        statuses, before = {task.key: task.status for task in overview.tasks}, self._statuses
        self._statuses = statuses
        for task in overview.tasks:
            is_news = task.status in FAILED if before is None else before.get(task.key) != task.status
            if is_news:
                yield self._line(overview.at, "task", **_told(task))
        yield from self._sums(overview)

    def fault(self, reason: str, at: float) -> Iterator[str]:
        """The line that a round without an answer is worth, at Unix seconds: one for each reason."""
        if reason != self._fault:
            self._fault = reason
            yield self._line(datetime.fromtimestamp(at, UTC), "no_answer", reason=reason)

    def _sums(self, overview: Overview) -> Iterator[str]:
        sums = overview.sums
        for name in sums.silent.keys() | self._silent.keys():
            if sums.silent.get(name) != self._silent.get(name):
                yield self._line(overview.at, "account", account=name, state=sums.silent.get(name, "answers"))
        self._silent = dict(sums.silent)
        counts = {status: count for status, count in sums.by_status.items() if count}
        if counts != self._counts:
            self._counts = counts
            money = {"credits_used": credits_text(sums.credits_used), "overdue": sums.overdue}
            yield self._line(overview.at, "tasks", followed=sums.total, **counts, **money)

    def _line(self, at: datetime, event: str, **fields: object) -> str:
        safe = {name: harmless(value) if isinstance(value, str) else value for name, value in fields.items()}
        line = self._write(None, "", {"ts": f"{at:%Y-%m-%dT%H:%M:%SZ}", "event": event, **safe})
        return str(line)


def _told(task: Task) -> dict[str, object]:
    fields = {
        "status": task.status,
        "task_id": task.task_id,
        "out_task_id": task.out_task_id,
        "account": task.account,
        "group": task.group,
        "model": task.model,
        "error_code": task.error_code,
        "credits_used": None if task.credits_used is None else credits_text(task.credits_used),
    }
    return {name: value for name, value in fields.items() if value}
