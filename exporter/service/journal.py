"""What is counted, and made durable, of what the pollers and accounts report."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from structlog.typing import FilteringBoundLogger

from exporter.dispatcher.answer import Drift, Reason
from exporter.ledger.entry import Count, Entry
from exporter.ledger.writer import LedgerWriter
from exporter.metrics.events import (
    count_no_requests,
    count_outcome,
    count_overflow,
    count_poll_lag,
    count_queue,
    count_request,
)
from exporter.metrics.limits import LabelLimits
from exporter.tasks.item import Item
from exporter.tasks.observation import Outcome
from exporter.tasks.task import Task
from exporter.tasks.tracker import Transition


class Journal:
    """Turns events into what they add, and hands it to the ledger's writer."""

    def __init__(self, *, writer: LedgerWriter, limits: LabelLimits, log: FilteringBoundLogger) -> None:
        self._writer = writer
        self._limits = limits
        self._log = log

    @contextmanager
    def admission(self) -> Iterator[Callable[[Item], Item]]:
        """Yields what gives an item the labels that the limits allow; its task is followed when the block ends."""
        with self._limits.admission() as admit:
            yield lambda item: replace(item, labels=admit(item.labels))
        self._count_overflows()

    def released(self) -> None:
        """Some tasks are followed no more."""
        self._limits.released()

    def began(self, task: Task) -> None:
        """A task is followed from now on: its first sight must survive a restart."""
        self._writer.record(task, Entry(task.state))

    def learnt(self, transition: Transition) -> None:
        """An answer told something about a task."""
        if not transition.is_news:
            return
        started = ended = None
        if transition.queue_seconds is not None:
            self._limits.keep(transition.labels)
            started = Count(count_queue(transition.labels, transition.queue_seconds))
        if transition.outcome is not None:
            ended = self._count_of(transition, transition.outcome)
            self._tell(transition, transition.outcome)
        self._writer.record(transition.task, Entry(transition.state, started=started, ended=ended))

    def polled(self, account: str, *, lag: float) -> None:
        """A task was asked about, so many seconds after it was due."""
        self._writer.meter(count_poll_lag(account, lag))

    def foresee_requests(self, account: str, endpoint: str) -> None:
        """Requests to an endpoint may come: what counts them starts at 0."""
        self._writer.meter(count_no_requests(account, endpoint))

    def request_finished(
        self, account: str, endpoint: str, *, seconds: float, failure: Reason | None, drift: Sequence[Drift]
    ) -> None:
        """A request came to an end."""
        self._writer.meter(count_request(account, endpoint, seconds=seconds, failure=failure, drift=drift))

    def _count_of(self, transition: Transition, outcome: Outcome) -> Count:
        error_code = self._limits.admit_error_code(transition.labels, outcome.error_code or "")
        self._count_overflows()
        return Count(*count_outcome(transition.labels, outcome, error_code=error_code))

    def _count_overflows(self) -> None:
        for limit, refusals in self._limits.take_overflows().items():
            self._writer.meter(count_overflow(limit, refusals))

    def _tell(self, transition: Transition, outcome: Outcome) -> None:
        self._log.info(
            "task_ended",
            account=outcome.ref.account,
            group=transition.labels.group,
            task_id=outcome.ref.task_id,
            out_task_id=outcome.ref.out_task_id,
            status=str(outcome.status),
            error_code=outcome.error_code,
            credits_used=outcome.credits_used,
            seconds=outcome.duration,
        )
