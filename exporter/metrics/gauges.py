"""The gauges of a snapshot: what is so at this instant, by family and label values. What is missing is absent."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from exporter.metrics.families.api import SUSPENDING
from exporter.metrics.family import Scope
from exporter.metrics.limits import MAX_LENGTH, OTHER, printable
from exporter.metrics.shape import Shape, Values
from exporter.metrics.snapshot import AccountView, Snapshot, SourceView
from exporter.tasks.census import Census
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState

Points = Mapping[Values, float]
Gauges = dict[str, Points]
Thing = TypeVar("Thing")


def gauges(snapshot: Snapshot, shape: Shape, tasks: Sequence[Values]) -> Gauges:
    """Every gauge, info and state set of the snapshot; ``tasks`` are the sets of task labels that have series."""
    return {
        **_tasks(snapshot.census, shape, tasks),
        **_task(snapshot.census, shape),
        **_accounts(snapshot.accounts),
        **_exporter(snapshot),
    }


# ---- all tasks of one set of labels ----------------------------------------------------------------------------------


def _tasks(census: Census, shape: Shape, tasks: Sequence[Values]) -> Gauges:
    every_status = [(*labels, str(status)) for labels in tasks for status in Status]
    counts = (((*shape.task_values(labels), str(status)), count) for (labels, status), count in census.counts.items())
    shown: Gauges = {
        "bytespike_tasks": _sums(every_status, counts),
        "bytespike_tasks_outstanding_credits": _sums(tasks, _fitted(census.outstanding_credits, shape)),
        "bytespike_tasks_overdue": _sums(tasks, _fitted(census.overdue, shape)),
        "bytespike_tasks_oldest_submit_timestamp_seconds": _oldest(census, shape),
    }
    return {name: _present(points, shape, Scope.TASKS) for name, points in shown.items()}


def _fitted(amounts: Mapping[TaskLabels, float], shape: Shape) -> Iterable[tuple[Values, float]]:
    return ((shape.task_values(labels), amount) for labels, amount in amounts.items())


def _sums(from_zero: Iterable[Values], amounts: Iterable[tuple[Values, float]]) -> Points:
    sums = dict.fromkeys(from_zero, 0.0)
    for values, amount in amounts:
        sums[values] = sums.get(values, 0.0) + amount
    return sums


def _oldest(census: Census, shape: Shape) -> Points:
    oldest: dict[Values, float] = {}
    for (labels, status), at in census.oldest.items():
        values = (*shape.task_values(labels), str(status))
        oldest[values] = min(at, oldest.get(values, at))
    return oldest


# ---- one task --------------------------------------------------------------------------------------------------------


def _task(census: Census, shape: Shape) -> Gauges:
    listed = _listed(census, shape)
    return {
        "bytespike_task_status": {
            (*values, str(status)): float(state.status is status)
            for values, state in listed.items()
            for status in Status
        },
        "bytespike_task_elapsed_seconds": _each(listed, lambda state: _elapsed(state, census.at)),
        "bytespike_task_eta_seconds": _each(listed, lambda state: state.eta_seconds),
        "bytespike_task_credits_estimated": _each(listed, lambda state: state.credits_estimated),
        "bytespike_task_credits_used": _each(listed, lambda state: state.credits_used),
        "bytespike_task_error_info": {
            (*values, _error_code(state)): 1.0 for values, state in listed.items() if state.status is Status.FAILED
        },
    }


def _listed(census: Census, shape: Shape) -> Mapping[Values, TaskState]:
    """The listed tasks by their labels: two that shared a series would make Prometheus refuse the entire page."""
    listed = {(*shape.task_values(labels), *_ids(state)): state for labels, state in census.listed}
    return _present(listed, shape, Scope.TASK)


def _ids(state: TaskState) -> Values:
    return printable(state.ref.task_id or ""), printable(state.ref.out_task_id or "")


def _elapsed(state: TaskState, now: float) -> float | None:
    return state.duration if state.is_terminal else max(0.0, now - state.submitted_at)


def _error_code(state: TaskState) -> str:
    code = printable(state.error_code or "unknown")
    return code if len(code) <= MAX_LENGTH else OTHER


# ---- accounts and the exporter itself --------------------------------------------------------------------------------


def _accounts(accounts: Iterable[AccountView]) -> Gauges:
    named: Mapping[Values, AccountView] = {(account.name,): account for account in accounts}
    return {
        "bytespike_up": _each(named, lambda account: float(account.up)),
        "bytespike_api_last_success_timestamp_seconds": _each(named, lambda account: account.last_success_at),
        "bytespike_api_suspended": {
            (*name, reason): float(account.suspended == reason)
            for name, account in named.items()
            for reason in _reasons(account)
        },
        **_quotas(named),
        "bytespike_exporter_tasks_due": _each(named, lambda account: account.tasks_due),
        "bytespike_exporter_requests_in_flight": _each(named, lambda account: account.requests_in_flight),
        "bytespike_exporter_request_budget_ratio": _each(named, lambda account: account.request_budget_ratio),
        "bytespike_exporter_attainable_interval_seconds": _each(named, lambda account: account.attainable_interval),
    }


def _quotas(named: Mapping[Values, AccountView]) -> Gauges:
    quotas = {name: account.quota for name, account in named.items()}
    return {
        "bytespike_api_quota_remaining_credits": _each(quotas, lambda quota: quota.remaining_credits),
        "bytespike_api_org_quota_remaining_credits": _each(quotas, lambda quota: quota.org_remaining_credits),
        "bytespike_api_rate_limit_usd": _each(quotas, lambda quota: quota.rate_limit_usd),
        "bytespike_api_rate_limit_remaining_usd": _each(quotas, lambda quota: quota.rate_limit_remaining_usd),
        "bytespike_api_rate_limit_reset_timestamp_seconds": _each(quotas, lambda quota: quota.rate_limit_reset_at),
    }


def _reasons(account: AccountView) -> Sequence[str]:
    """Every reason it can be held back for; one that is not foreseen is still shown while it lasts."""
    reasons = [str(reason) for reason in SUSPENDING]
    return reasons if account.suspended is None or account.suspended in reasons else [*reasons, account.suspended]


def _exporter(snapshot: Snapshot) -> Gauges:
    ledger, census, config, build = snapshot.ledger, snapshot.census, snapshot.config, snapshot.build
    reloaded_at = config.last_reload_success_at
    return {
        "bytespike_exporter_ledger_pending": {(): ledger.pending},
        "bytespike_exporter_ledger_last_commit_timestamp_seconds": _each({(): ledger}, lambda it: it.last_commit_at),
        "bytespike_exporter_sd_last_refresh_timestamp_seconds": _refreshes(snapshot.sources),
        "bytespike_exporter_task_series_dropped": {(): census.unlisted},
        "bytespike_exporter_duplicate_tasks": {(): census.duplicates},
        "bytespike_exporter_config_last_reload_successful": {(): float(config.last_reload_successful)},
        "bytespike_exporter_config_last_reload_success_timestamp_seconds": {(): reloaded_at},
        "bytespike_exporter_build_info": {(build.version, build.revision, build.python_version): 1.0},
    }


def _refreshes(sources: Iterable[SourceView]) -> Points:
    """The last refresh of each mechanism: where a group has several of one kind, that of the most outdated."""
    oldest: dict[Values, float] = {}
    for source in sources:
        if source.last_refresh_at is not None:
            key = (source.group, source.mechanism)
            oldest[key] = min(source.last_refresh_at, oldest.get(key, source.last_refresh_at))
    return oldest


def _each(things: Mapping[Values, Thing], number: Callable[[Thing], float | None]) -> Points:
    """The number of each thing that has one; NaN and the infinities are none."""
    numbers = ((values, number(thing)) for values, thing in things.items())
    return {values: found for values, found in numbers if found is not None and math.isfinite(found)}


def _present(things: Mapping[Values, Thing], shape: Shape, scope: Scope) -> dict[Values, Thing]:
    return {values: thing for values, thing in things.items() if shape.shows(scope, values)}
