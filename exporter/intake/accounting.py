"""What is counted: of tasks, into the ledger together with their states; of the exporter's own doings, beside it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.accounting.local_histogram import LocalHistogram
from exporter.accounting.series import Increments
from exporter.dispatcher.answer import Drift, Reason
from exporter.ledger.ledger import Count, Entry
from exporter.metrics.events import (
    count_answers,
    count_clock_step,
    count_connections_closed,
    count_failed_submission,
    count_first_poll,
    count_followed,
    count_learnt,
    count_log_lines_dropped,
    count_no_requests,
    count_not_understood,
    count_nothing_learnt,
    count_outcome,
    count_overflow,
    count_proxied,
    count_queue,
    count_refresh_failure,
    count_refused_client,
    count_refused_credentials,
    count_request,
    count_upstream_failure,
    local_latencies,
    local_passages,
    local_poll_lags,
)
from exporter.metrics.families.own import Credential
from exporter.metrics.families.proxy import Asker, Refused, UpstreamFault
from exporter.metrics.limits import LabelLimits, Limit
from exporter.metrics.traffic import Ending
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Outcome
from exporter.tasks.tracker import Change, ChangeKind


class Record(Protocol):
    """What the accounting needs of the ledger."""

    def record(self, key: int, entry: Entry) -> None: ...
    def forget(self, key: int, account: str) -> None: ...
    def join(self, key: int, into: int, account: str) -> None: ...
    def meter(self, increments: Increments) -> None: ...


class TaskAccounting:
    """Turns each change of a task into what the ledger is to keep and to add."""

    def __init__(self, *, ledger: Record, limits: LabelLimits, log: FilteringBoundLogger) -> None:
        self._ledger = ledger
        self._limits = limits
        self._log = log

    def take(self, change: Change) -> None:
        number, account = change.task.number, change.task.state.ref.account
        if change.into is not None:
            self._ledger.join(number, change.into, account)
        elif change.kind is ChangeKind.DROPPED:
            self._ledger.forget(number, account)
        elif change.is_news:
            self._ledger.record(number, self._entry(change))

    def _entry(self, change: Change) -> Entry:
        return Entry(
            change.task.state,
            followed=self._followed(change),
            started=self._started(change),
            ended=self._ended(change),
        )

    def _followed(self, change: Change) -> Count | None:
        # what only came and went holds no labels: in a set that nothing else counts in, it counts with its start or end
        labels = change.task.labels
        is_counted = change.outcome is not None or change.queue_seconds is not None
        if not is_counted and not (change.is_first and self._limits.is_kept(labels)):
            return None
        self._limits.keep(labels)
        return Count(count_followed(labels))

    def _started(self, change: Change) -> Count | None:
        seconds, labels = change.queue_seconds, change.task.labels
        if seconds is None:
            return None
        self._limits.keep(labels)
        return Count(count_queue(labels, seconds))

    def _ended(self, change: Change) -> Count | None:
        outcome, labels = change.outcome, change.task.labels
        if outcome is None:
            return None
        self._tell(labels, outcome)
        error_code = self._limits.admit_error_code(labels, outcome.error_code or "")
        return Count(*count_outcome(labels, outcome, error_code=error_code))

    def _tell(self, labels: TaskLabels, outcome: Outcome) -> None:
        self._log.info(
            "task_ended",
            account=outcome.ref.account,
            group=labels.group,
            task_id=outcome.ref.task_id,
            out_task_id=outcome.ref.out_task_id,
            status=str(outcome.status),
            error_code=outcome.error_code,
            credits_used=outcome.credits_used,
            seconds=outcome.duration,
        )


class ExporterAccounting:
    """Counts what the exporter does: requests, polls, refreshes, labels that were refused.

    What happens with every poll is counted locally until it is flushed (``flush_into``); ``meter`` is told with empty
    hands then, so that somebody comes for it.
    """

    def __init__(self, meter: Callable[[Increments], None]) -> None:
        self._meter = meter
        self._lags: dict[str, LocalHistogram] = {}
        self._latencies: dict[tuple[str, str], LocalHistogram] = {}
        self._passages: dict[tuple[str, str], LocalHistogram] = {}
        self._passed: Counter[tuple[str, str, str]] = Counter()
        # what has counted something since the last flush; of latencies, whose they are
        self._noted: dict[LocalHistogram, tuple[str, str] | None] = {}

    def polled(self, account: str, *, lag: float) -> None:
        """A task was asked about, so many seconds after it was due; a probe may come before that, and is not late."""
        lags = self._lags.get(account)
        if lags is None:
            lags = self._lags[account] = local_poll_lags(account)
        lags.observe(max(0.0, lag))
        if lags not in self._noted:
            self._note(lags)

    def foresee_requests(self, account: str, endpoint: str) -> None:
        """Requests to an endpoint may come: what counts them starts at 0."""
        self._meter(count_no_requests(account, endpoint))

    def request_finished(
        self, account: str, endpoint: str, *, seconds: float, failure: Reason | None, drift: Sequence[Drift]
    ) -> None:
        """A request came to an end."""
        if failure is not None or drift:
            self._meter(count_request(account, endpoint, seconds=seconds, failure=failure, drift=drift))
            return
        latencies = self._latencies.get((account, endpoint))
        if latencies is None:
            latencies = self._latencies[account, endpoint] = local_latencies(account, endpoint)
        latencies.observe(seconds)
        if latencies not in self._noted:
            self._note(latencies, whose=(account, endpoint))

    def flush_into(self, increments: Increments) -> None:
        """Add what was counted locally, which starts again from nothing. It is done with each commit of each account:
        what has counted nothing is not looked at.
        """
        noted, self._noted = self._noted, {}
        for histogram, whose in noted.items():
            number = histogram.flush_into(increments)
            if whose is not None:
                increments.merge(count_answers(*whose, number))
        passed, self._passed = self._passed, Counter()
        for (account, endpoint, code), number in passed.items():
            increments.merge(count_proxied(account, endpoint, code, number))

    def _note(self, counted: LocalHistogram, *, whose: tuple[str, str] | None = None) -> None:
        is_first = not self._noted
        self._noted[counted] = whose
        if is_first:
            self._meter(Increments())

    # ---- the sidecar -----------------------------------------------------------------------------------------------

    def foresee_learnt(self, account: str, group: str) -> None:
        """Tasks of a group may be learnt from what passes: they are counted from 0 on."""
        self._meter(count_nothing_learnt(account, group))

    def proxied(self, account: str, endpoint: str, code: str, *, seconds: float) -> None:
        """A request has passed."""
        passages = self._passages.get((account, endpoint))
        if passages is None:
            passages = self._passages[account, endpoint] = local_passages(account, endpoint)
        passages.observe(seconds)
        self._passed[account, endpoint, code] += 1
        self._note(passages)

    def upstream_failed(self, account: str, fault: UpstreamFault) -> None:
        """The upstream has not answered a request, or not to the end."""
        self._meter(count_upstream_failure(account, fault))

    def client_refused(self, reason: Refused) -> None:
        """The sidecar had no room for a client."""
        self._meter(count_refused_client(reason))

    def first_polled(self, account: str, by: Asker, seconds: float) -> None:
        """Somebody is told of a submitted task for the first time."""
        self._meter(count_first_poll(account, by, seconds))

    def submission_failed(self, account: str, error_code: str) -> None:
        """The API has refused a submission."""
        self._meter(count_failed_submission(account, error_code))

    def learnt(self, account: str, group: str) -> None:
        """A task is followed because it passed."""
        self._meter(count_learnt(account, group))

    def not_understood(self, endpoint: str) -> None:
        """Something passed that could not be read."""
        self._meter(count_not_understood(endpoint))

    # ---- sources and labels ----------------------------------------------------------------------------------------

    def refresh_failed(self, group: str, mechanism: str) -> None:
        """A source of tasks could not be read, or a registration was refused."""
        self._meter(count_refresh_failure(group, mechanism))

    def labels_refused(self, refusals: Mapping[Limit, int]) -> None:
        """Labels became ``other``, so many by each limit."""
        for limit, number in refusals.items():
            self._meter(count_overflow(limit, number))

    def credentials_refused(self, kind: Credential) -> None:
        """A request brought wrong credentials."""
        self._meter(count_refused_credentials(kind))

    def connections_closed(self, endings: Mapping[Ending, int]) -> None:
        """The web server closed connections on their other end, so many for each reason."""
        for reason, number in endings.items():
            self._meter(count_connections_closed(reason, number))

    def log_lines_dropped(self, number: int) -> None:
        """So many lines of the log were dropped."""
        if number:
            self._meter(count_log_lines_dropped(number))

    def clock_stepped(self) -> None:
        """The wall clock was set to another time."""
        self._meter(count_clock_step())
