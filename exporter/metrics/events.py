"""What each event adds to which series: pure, so that the same event always counts the same."""

import math
from collections.abc import Iterable
from typing import NamedTuple, TypeGuard

from exporter.accounting.local_histogram import LocalHistogram
from exporter.accounting.series import Exemplar, Increments, Labels, Series, labels_of
from exporter.dispatcher.answer import Drift, Reason
from exporter.metrics.families import api, own, proxy, tasks
from exporter.metrics.family import Counter, Histogram
from exporter.metrics.limits import OTHER, UNKNOWN_ERROR, Limit
from exporter.metrics.traffic import Ending
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Outcome, Status


class Counted(NamedTuple):
    """What an outcome adds, and the task behind it for the series that can name one."""

    increments: Increments
    exemplars: dict[Series, Exemplar]


def count_outcome(labels: TaskLabels, outcome: Outcome, *, error_code: str | None = None) -> Counted:
    """Everything that the end of one task adds. ``error_code`` is the outcome's own after its label was bounded."""
    counted = Counted(Increments(), {})
    status = str(outcome.status)
    tasks.FINISHED.count(counted.increments, _of(labels, status=status))
    _count_failure(counted, labels, outcome, error_code)
    _add(counted.increments, tasks.CREDITS_USED, _of(labels, status=status), outcome.credits_used)
    _count_times(counted, labels, outcome)
    if outcome.status is Status.COMPLETED:
        _count_completion(counted.increments, labels, outcome)
    return counted


def count_followed(labels: TaskLabels) -> Increments:
    """A task that an answer has told of for the first time."""
    return _one(tasks.FOLLOWED, _of(labels))


def count_queue(labels: TaskLabels, seconds: float) -> Increments:
    """A task that was seen running for the first time, so many seconds after its submission."""
    increments = Increments()
    _observe(increments, tasks.QUEUE_DURATION, _of(labels), seconds)
    return increments


def count_request(
    account: str, endpoint: str, *, seconds: float | None, failure: Reason | None = None, drift: Iterable[Drift] = ()
) -> Increments:
    """A request that came to an end; ``seconds`` is its latency, None where it was never sent."""
    increments = Increments()
    request = labels_of(account=account, endpoint=endpoint)
    api.REQUESTS.count(increments, request)
    _observe(increments, api.REQUEST_DURATION, request, seconds)
    if failure is not None:
        labels = labels_of(account=account, endpoint=endpoint, reason=str(failure))
        api.REQUEST_FAILURES.count(increments, labels)
    for kind in drift:
        api.SCHEMA_DRIFT.count(increments, labels_of(account=account, kind=str(kind)))
    return increments


def local_latencies(account: str, endpoint: str) -> LocalHistogram:
    """Where latencies of answered requests are counted until they are flushed; ``count_answers`` counts those then."""
    return api.REQUEST_DURATION.local(labels_of(account=account, endpoint=endpoint))


def count_answers(account: str, endpoint: str, number: int) -> Increments:
    """So many requests that were answered as is documented; their latencies are flushed beside this."""
    increments = Increments()
    api.REQUESTS.count(increments, labels_of(account=account, endpoint=endpoint), float(number))
    return increments


def local_poll_lags(account: str) -> LocalHistogram:
    """Where it is counted how late polls were sent, until that is flushed."""
    return own.POLL_LAG.local(labels_of(account=account))


def count_no_requests(account: str, endpoint: str) -> Increments:
    """Nothing, in every series that ``count_request`` could add to."""
    increments = Increments()
    request = labels_of(account=account, endpoint=endpoint)
    api.REQUESTS.begin(increments, request)
    api.REQUEST_DURATION.begin(increments, request)
    for reason in Reason:
        labels = labels_of(account=account, endpoint=endpoint, reason=str(reason))
        api.REQUEST_FAILURES.begin(increments, labels)
    return increments


def count_proxied(account: str, endpoint: str, code: str, number: int) -> Increments:
    """So many requests that have passed through the sidecar; how long they took is flushed beside this."""
    increments = Increments()
    proxy.REQUESTS.count(increments, labels_of(account=account, endpoint=endpoint, code=code), float(number))
    return increments


def local_passages(account: str, endpoint: str) -> LocalHistogram:
    """Where it is counted how long requests take to pass, until that is flushed."""
    return proxy.REQUEST_DURATION.local(labels_of(account=account, endpoint=endpoint))


def count_upstream_failure(account: str, reason: proxy.UpstreamFault) -> Increments:
    """A request that the upstream did not answer."""
    return _one(proxy.UPSTREAM_FAILURES, labels_of(account=account, reason=str(reason)))


def count_refused_client(reason: proxy.Refused) -> Increments:
    """A client that the sidecar had no room for."""
    return _one(proxy.CLIENTS_REFUSED, labels_of(reason=str(reason)))


def count_first_poll(account: str, by: proxy.Asker, seconds: float) -> Increments:
    """A submitted task that somebody is told of for the first time, so many seconds after."""
    increments = Increments()
    _observe(increments, proxy.FIRST_POLL, labels_of(account=account, by=str(by)), seconds)
    return increments


def count_nothing_learnt(account: str, group: str) -> Increments:
    """Nothing yet, in a group that takes what is submitted through the sidecar."""
    increments = Increments()
    proxy.TASKS_LEARNT.begin(increments, labels_of(account=account, group=group))
    for by in proxy.Asker:
        proxy.FIRST_POLL.begin(increments, labels_of(account=account, by=str(by)))
    return increments


def count_failed_submission(account: str, error_code: str) -> Increments:
    """A submission that the API refused."""
    return _one(proxy.SUBMISSIONS_FAILED, labels_of(account=account, error_code=error_code))


def count_learnt(account: str, group: str) -> Increments:
    """A task that is followed because the sidecar saw it."""
    return _one(proxy.TASKS_LEARNT, labels_of(account=account, group=group))


def count_not_understood(endpoint: str) -> Increments:
    """An exchange that passed and taught nothing."""
    return _one(proxy.NOT_UNDERSTOOD, labels_of(endpoint=endpoint))


def count_commit(seconds: float) -> Increments:
    """A commit to the ledger that took so many seconds."""
    increments = Increments()
    _observe(increments, own.COMMIT_DURATION, (), seconds)
    return increments


def count_ledger_failure() -> Increments:
    """A commit to the ledger that failed."""
    return _one(own.LEDGER_FAILURES, ())


def count_refresh_failure(group: str, mechanism: str) -> Increments:
    """A refresh of a task source that failed."""
    return _one(own.SD_REFRESH_FAILURES, labels_of(group=group, mechanism=mechanism))


def count_overflow(limit: Limit, refusals: int = 1) -> Increments:
    """Labels that were replaced by ``other``, for this limit is reached."""
    increments = Increments()
    own.LABELS_OVERFLOWED.count(increments, labels_of(limit=str(limit)), float(refusals))
    return increments


def count_refused_credentials(kind: own.Credential) -> Increments:
    """A request whose token, callback secret or password was wrong."""
    return _one(own.CREDENTIALS_REFUSED, labels_of(kind=str(kind)))


def count_connections_closed(reason: Ending, number: int) -> Increments:
    """So many connections that the exporter closed for this reason."""
    increments = Increments()
    own.HTTP_CONNECTIONS_CLOSED.count(increments, labels_of(reason=str(reason)), float(number))
    return increments


def count_log_lines_dropped(number: int) -> Increments:
    """So many lines of the log that were not written, for their reader is too slow."""
    increments = Increments()
    own.LOG_LINES_DROPPED.count(increments, (), float(number))
    return increments


def count_clock_step() -> Increments:
    """A step of the wall clock."""
    return _one(own.CLOCK_STEPS, ())


def _count_failure(counted: Counted, labels: TaskLabels, outcome: Outcome, error_code: str | None) -> None:
    if outcome.status is not Status.FAILED:
        return
    series = tasks.FAILED.count(counted.increments, _of(labels, error_code=error_code or UNKNOWN_ERROR))
    _exemplify(counted, series, outcome, 1.0)


def _count_times(counted: Counted, labels: TaskLabels, outcome: Outcome) -> None:
    gap = labels_of(account=labels.account)
    _observe(counted.increments, own.OBSERVATION_GAP, gap, outcome.gap)
    if outcome.status not in tasks.TIMED:
        return
    timed = _of(labels, status=str(outcome.status))
    series = _observe(counted.increments, tasks.DURATION, timed, outcome.duration)
    _exemplify(counted, series, outcome, outcome.duration)


def _count_completion(increments: Increments, labels: TaskLabels, outcome: Outcome) -> None:
    plain = _of(labels)
    _add(increments, tasks.CREDITS_ESTIMATED, plain, outcome.credits_estimated)
    if outcome.credits_estimated is not None:
        _add(increments, tasks.CREDITS_USED_WITH_ESTIMATE, plain, outcome.credits_used)
    _observe(increments, tasks.ETA_RATIO, plain, outcome.eta_ratio)
    for output in outcome.outputs:
        kind = output.type if output.type in tasks.OUTPUT_TYPES else OTHER
        tasks.OUTPUTS.count(increments, _of(labels, type=kind))
        if kind == "video":
            _add(increments, tasks.OUTPUT_VIDEO_SECONDS, plain, output.duration_seconds)


def _exemplify(counted: Counted, series: Series | None, outcome: Outcome, value: float | None) -> None:
    if series is not None and value is not None and outcome.ref.task_id:
        counted.exemplars[series] = Exemplar(value=value, task_id=outcome.ref.task_id, at=outcome.finished_at)


def _add(increments: Increments, family: Counter, labels: Labels, amount: float | None) -> None:
    if _counts(amount):
        family.count(increments, labels, amount)


def _observe(increments: Increments, family: Histogram, labels: Labels, value: float | None) -> Series | None:
    return family.observe(increments, labels, value) if _counts(value) else None


def _counts(amount: float | None) -> TypeGuard[float]:
    """Whether a number may be added for ever: one NaN, infinity or debt would spoil its series for good."""
    return amount is not None and math.isfinite(amount) and amount >= 0


def _one(family: Counter, labels: Labels) -> Increments:
    increments = Increments()
    family.count(increments, labels)
    return increments


def _of(labels: TaskLabels, **more: str) -> Labels:
    always = {"account": labels.account, "group": labels.group, "model": labels.model}
    return labels_of(**dict(labels.user), **always, **more)
