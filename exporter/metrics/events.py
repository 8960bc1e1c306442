"""What each event adds to which series: pure, so that the same event always counts the same."""

import math
from collections.abc import Iterable
from typing import NamedTuple, TypeGuard

from exporter.accounting.series import SUM, Exemplar, Increments, Labels, Series, labels_of
from exporter.dispatcher.answer import Drift, Reason
from exporter.metrics.catalogue import BY_NAME
from exporter.metrics.families.tasks import OUTPUT_TYPES, TIMED
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
    counted.increments.count("bytespike_tasks_finished_total", _of(labels, status=status))
    _count_failure(counted, labels, outcome, error_code)
    _add(counted.increments, "bytespike_tasks_credits_used_total", _of(labels, status=status), outcome.credits_used)
    _count_times(counted, labels, outcome)
    if outcome.status is Status.COMPLETED:
        _count_completion(counted.increments, labels, outcome)
    return counted


def count_queue(labels: TaskLabels, seconds: float) -> Increments:
    """A task that was seen running for the first time, so many seconds after its submission."""
    increments = Increments()
    _observe(increments, "bytespike_tasks_queue_duration_seconds", _of(labels), seconds)
    return increments


def count_request(
    account: str, endpoint: str, *, seconds: float | None, failure: Reason | None = None, drift: Iterable[Drift] = ()
) -> Increments:
    """A request that came to an end; ``seconds`` is its latency, None where it was never sent."""
    increments = Increments()
    request = labels_of(account=account, endpoint=endpoint)
    increments.count("bytespike_api_requests_total", request)
    _observe(increments, "bytespike_api_request_duration_seconds", request, seconds)
    if failure is not None:
        labels = labels_of(account=account, endpoint=endpoint, reason=str(failure))
        increments.count("bytespike_api_request_failures_total", labels)
    for kind in drift:
        increments.count("bytespike_api_schema_drift_total", labels_of(account=account, kind=str(kind)))
    return increments


def count_no_requests(account: str, endpoint: str) -> Increments:
    """Nothing, in every series that ``count_request`` could add to."""
    increments = Increments()
    request = labels_of(account=account, endpoint=endpoint)
    increments.begin("bytespike_api_requests_total", request)
    increments.begin("bytespike_api_request_duration_seconds", request, SUM)
    for reason in Reason:
        labels = labels_of(account=account, endpoint=endpoint, reason=str(reason))
        increments.begin("bytespike_api_request_failures_total", labels)
    return increments


def count_poll_lag(account: str, seconds: float) -> Increments:
    """A poll that was sent so many seconds after it was due."""
    increments = Increments()
    _observe(increments, "bytespike_exporter_poll_lag_seconds", labels_of(account=account), seconds)
    return increments


def count_commit(seconds: float) -> Increments:
    """A commit to the ledger that took so many seconds."""
    increments = Increments()
    _observe(increments, "bytespike_exporter_ledger_commit_duration_seconds", (), seconds)
    return increments


def count_ledger_failure() -> Increments:
    """A commit to the ledger that failed."""
    return _one("bytespike_exporter_ledger_failures_total", ())


def count_refresh_failure(group: str, mechanism: str) -> Increments:
    """A refresh of a task source that failed."""
    return _one("bytespike_exporter_sd_refresh_failures_total", labels_of(group=group, mechanism=mechanism))


def count_overflow(refusals: int = 1) -> Increments:
    """Label values that were replaced by ``other``."""
    increments = Increments()
    increments.count("bytespike_exporter_label_values_overflowed_total", (), float(refusals))
    return increments


def _count_failure(counted: Counted, labels: TaskLabels, outcome: Outcome, error_code: str | None) -> None:
    if outcome.status is not Status.FAILED:
        return
    series = counted.increments.count("bytespike_tasks_failed_total", _of(labels, error_code=error_code or "unknown"))
    _exemplify(counted, series, outcome, 1.0)


def _count_times(counted: Counted, labels: TaskLabels, outcome: Outcome) -> None:
    gap = labels_of(account=labels.account)
    _observe(counted.increments, "bytespike_exporter_observation_gap_seconds", gap, outcome.gap)
    if outcome.status not in TIMED:
        return
    timed = _of(labels, status=str(outcome.status))
    series = _observe(counted.increments, "bytespike_tasks_duration_seconds", timed, outcome.duration)
    _exemplify(counted, series, outcome, outcome.duration)


def _count_completion(increments: Increments, labels: TaskLabels, outcome: Outcome) -> None:
    own = _of(labels)
    _add(increments, "bytespike_tasks_credits_estimated_total", own, outcome.credits_estimated)
    if outcome.credits_estimated is not None:
        _add(increments, "bytespike_tasks_credits_used_with_estimate_total", own, outcome.credits_used)
    _observe(increments, "bytespike_tasks_eta_ratio", own, outcome.eta_ratio)
    for output in outcome.outputs:
        kind = output.type if output.type in OUTPUT_TYPES else "other"
        increments.count("bytespike_tasks_outputs_total", _of(labels, type=kind))
        if kind == "video":
            _add(increments, "bytespike_tasks_output_video_seconds_total", own, output.duration_seconds)


def _exemplify(counted: Counted, series: Series | None, outcome: Outcome, value: float | None) -> None:
    if series is not None and value is not None and outcome.ref.task_id:
        counted.exemplars[series] = Exemplar(value=value, task_id=outcome.ref.task_id, at=outcome.finished_at)


def _add(increments: Increments, family: str, labels: Labels, amount: float | None) -> None:
    if _counts(amount):
        increments.count(family, labels, amount)


def _observe(increments: Increments, family: str, labels: Labels, value: float | None) -> Series | None:
    return increments.observe(family, labels, value, BY_NAME[family].buckets) if _counts(value) else None


def _counts(amount: float | None) -> TypeGuard[float]:
    """Whether a number may be added for ever: one NaN, infinity or debt would spoil its series for good."""
    return amount is not None and math.isfinite(amount) and amount >= 0


def _one(family: str, labels: Labels) -> Increments:
    increments = Increments()
    increments.count(family, labels)
    return increments


def _of(labels: TaskLabels, **more: str) -> Labels:
    own = {"account": labels.account, "group": labels.group, "model": labels.model}
    return labels_of(**dict(labels.user), **own, **more)
