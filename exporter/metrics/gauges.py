"""The gauges of a snapshot: what is so at this instant, by family and label values. What is missing is absent."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TypeVar

from exporter.metrics.families import api, own, proxy, task, tasks
from exporter.metrics.family import Gauge, Instantaneous, Scope
from exporter.metrics.labelling import Labelling, LabelValues, printable
from exporter.metrics.limits import OTHER, is_too_long
from exporter.metrics.snapshot import AccountView, Snapshot, SourceView
from exporter.tasks.census import Census
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState

Points = Mapping[LabelValues, float]
Gauges = dict[Instantaneous, Points]
Thing = TypeVar("Thing")


def gauges(snapshot: Snapshot, labelling: Labelling, label_sets: Sequence[LabelValues]) -> Gauges:
    """Every gauge, info and state set of the snapshot; ``label_sets`` are the sets of task labels that have series."""
    return {**overall_gauges(snapshot, labelling, label_sets), **_task(snapshot.census, labelling)}


def overall_gauges(snapshot: Snapshot, labelling: Labelling, label_sets: Sequence[LabelValues]) -> Gauges:
    """Those of everything but single tasks."""
    return {
        **_tasks(snapshot.census, labelling, label_sets),
        **_accounts(snapshot.accounts),
        own.ACCOUNT_OWNED: {(name,): float(owned) for name, owned in snapshot.ownership.items()},
        **_exporter(snapshot),
    }


# ---- all tasks of one set of labels ----------------------------------------------------------------------------------


def _tasks(census: Census, labelling: Labelling, label_sets: Sequence[LabelValues]) -> Gauges:
    fitted = cache(labelling.task_values)  # for this one census: label sets come and go
    every_status = [(*labels, status.value) for labels in label_sets for status in Status]
    counted = (((*fitted(labels), status.value), number) for (labels, status), number in census.counts.items())
    shown: Gauges = {
        tasks.BY_STATUS: _sums(every_status, counted),
        tasks.OUTSTANDING_CREDITS: _sums(label_sets, _fitted(census.outstanding_credits, labelling)),
        tasks.OVERDUE: _sums(label_sets, _fitted(census.overdue, labelling)),
        tasks.OLDEST_SUBMIT: _oldest(census, labelling),
    }
    return {family: _present(points, labelling, Scope.TASKS) for family, points in shown.items()}


def _fitted(amounts: Mapping[TaskLabels, float], labelling: Labelling) -> Iterable[tuple[LabelValues, float]]:
    return ((labelling.task_values(labels), amount) for labels, amount in amounts.items())


def _sums(from_zero: Iterable[LabelValues], amounts: Iterable[tuple[LabelValues, float]]) -> Points:
    sums = dict.fromkeys(from_zero, 0.0)
    for values, amount in amounts:
        sums[values] = sums.get(values, 0.0) + amount
    return sums


def _oldest(census: Census, labelling: Labelling) -> Points:
    oldest: dict[LabelValues, float] = {}
    for (labels, status), at in census.oldest.items():
        values = (*labelling.task_values(labels), str(status))
        oldest[values] = min(at, oldest.get(values, at))
    return oldest


# ---- one task --------------------------------------------------------------------------------------------------------


def _task(census: Census, labelling: Labelling) -> Gauges:
    listed = _listed(census, labelling)
    return {
        task.STATUS: {
            (*values, str(status)): float(state.status is status)
            for values, state in listed.items()
            for status in Status
        },
        task.ELAPSED: _each(listed, lambda state: elapsed(state, census.at)),
        **{family: _each(listed, reported) for family, reported in REPORTED.items()},
        task.ERROR_INFO: {
            (*values, error_code(state)): 1.0 for values, state in listed.items() if state.status is Status.FAILED
        },
    }


def _listed(census: Census, labelling: Labelling) -> Mapping[LabelValues, TaskState]:
    """The listed tasks by their labels: two that shared a series would make Prometheus refuse the entire page."""
    listed: dict[LabelValues, TaskState] = {}
    for labels, state in census.listed:
        listed.setdefault((*labelling.task_values(labels), *ids(state)), state)
    return _present(listed, labelling, Scope.TASK)


def ids(state: TaskState) -> tuple[str, str]:
    """What a task is called: the values of ``task_id`` and ``out_task_id``."""
    return printable(state.ref.task_id or ""), printable(state.ref.out_task_id or "")


def elapsed(state: TaskState, now: float) -> float | None:
    """The age of an open task, and then its duration; seconds."""
    return state.duration if state.is_terminal else max(0.0, now - state.submitted_at)


REPORTED: Mapping[Gauge, Callable[[TaskState], float | None]] = {
    task.ETA: lambda state: state.eta_seconds,
    task.CREDITS_ESTIMATED: lambda state: state.credits_estimated,
    task.CREDITS_USED: lambda state: state.credits_used,
}
"""The numbers of a task that are shown as they were last reported."""


def error_code(state: TaskState) -> str:
    """The code of a failed task as a label value."""
    code = printable(state.error_code or "unknown")
    return OTHER if is_too_long(code) else code


# ---- accounts and the exporter itself --------------------------------------------------------------------------------


def _accounts(accounts: Iterable[AccountView]) -> Gauges:
    named: Mapping[LabelValues, AccountView] = {(account.name,): account for account in accounts}
    return {
        api.UP: _each(named, lambda account: float(account.up)),
        api.LAST_SUCCESS: _each(named, lambda account: account.last_success_at),
        api.SUSPENDED: {
            (*name, reason): float(account.suspended == reason)
            for name, account in named.items()
            for reason in _reasons(account)
        },
        **_quotas(named),
        own.TASKS_DUE: _each(named, lambda account: account.tasks_due),
        own.OLDEST_DUE: _each(named, lambda account: account.oldest_due_at),
        own.REQUESTS_IN_FLIGHT: _each(named, lambda account: account.requests_in_flight),
        own.REQUEST_BUDGET: _each(named, lambda account: account.request_budget_ratio),
        own.ATTAINABLE_INTERVAL: _each(named, lambda account: account.attainable_interval),
    }


def _quotas(named: Mapping[LabelValues, AccountView]) -> Gauges:
    quotas = {name: account.quota for name, account in named.items()}
    return {
        api.QUOTA_REMAINING: _each(quotas, lambda quota: quota.remaining_credits),
        api.ORG_QUOTA_REMAINING: _each(quotas, lambda quota: quota.org_remaining_credits),
        api.RATE_LIMIT: _each(quotas, lambda quota: quota.rate_limit_usd),
        api.RATE_LIMIT_REMAINING: _each(quotas, lambda quota: quota.rate_limit_remaining_usd),
        api.RATE_LIMIT_RESET: _each(quotas, lambda quota: quota.rate_limit_reset_at),
    }


def _reasons(account: AccountView) -> Sequence[str]:
    """Every reason it can be held back for; one that is not foreseen is still shown while it lasts."""
    reasons = [str(reason) for reason in api.SUSPENDING]
    return reasons if account.suspended is None or account.suspended in reasons else [*reasons, account.suspended]


def _exporter(snapshot: Snapshot) -> Gauges:
    ledger, census, config, build = snapshot.ledger, snapshot.census, snapshot.config, snapshot.build
    reloaded_at = config.last_reload_success_at
    return {
        own.LEDGER_PENDING: {(): ledger.pending},
        own.LEDGER_LAST_COMMIT: _each({(): ledger}, lambda it: it.last_commit_at),
        own.SD_LAST_REFRESH: _refreshes(snapshot.sources),
        own.TASK_SERIES_DROPPED: {(): census.unlisted},
        own.DUPLICATE_TASKS: {(): census.duplicates},
        own.HTTP_CONNECTIONS: {(): snapshot.traffic.connections},
        own.HTTP_CONNECTIONS_LIMIT: {(): snapshot.traffic.limit},
        own.RELOAD_SUCCESSFUL: {(): float(config.last_reload_successful)},
        own.RELOAD_SUCCESS: {(): reloaded_at},
        own.CONFIG_INFO: {(config.sha256,): 1.0} if config.sha256 else {},
        proxy.IN_FLIGHT: {} if snapshot.proxied is None else {(): float(snapshot.proxied)},
        own.BUILD_INFO: {(build.version, build.revision, build.python_version): 1.0},
    }


def _refreshes(sources: Iterable[SourceView]) -> Points:
    """The last refresh of each mechanism: where a group has several of one kind, that of the most outdated."""
    oldest: dict[LabelValues, float] = {}
    for source in sources:
        if source.last_refresh_at is not None:
            key = (source.group, source.mechanism)
            oldest[key] = min(source.last_refresh_at, oldest.get(key, source.last_refresh_at))
    return oldest


def _each(things: Mapping[LabelValues, Thing], number: Callable[[Thing], float | None]) -> Points:
    """The number of each thing that has one; NaN and the infinities are none."""
    numbers = ((values, number(thing)) for values, thing in things.items())
    return {values: found for values, found in numbers if found is not None and math.isfinite(found)}


def _present(things: Mapping[LabelValues, Thing], labelling: Labelling, scope: Scope) -> dict[LabelValues, Thing]:
    return {values: thing for values, thing in things.items() if labelling.shows(scope, values)}
