"""The recording rules: ``python -m monitoring.recording > config/prometheus/rules/recording.yml``.

Their names say the level that is left: ``group`` has ``job``, ``account``, ``group`` and the user labels; ``account``
lacks ``group``; ``group_code`` has ``error_code`` besides, and ``account_reason`` has ``reason``.

``instance`` is aggregated away, for the ledger's totals go on when the exporter moves, and so must what is computed
from them; and in one way everywhere. What is counted (tasks, requests, credits) is added up over the exporters,
counters and gauges alike: each task is followed by one of them. What describes an account itself (whether it is up or
held back, its quota, its limits) is taken once, and where two exporters differ, the worse of the two. Times of the
oldest are the earliest. Two exporters that follow the same tasks would count them twice.
"""

import sys
from collections.abc import Iterable, Iterator

from monitoring.document import document
from monitoring.rule import Group, Record

SHORT = ("5m", "10m", "15m", "30m")
LONG = ("1h", "6h", "1d", "3d")

HEADER = "Recording rules, printed by python -m monitoring.recording (make docs)."


OPEN = 'bytespike_tasks{status=~"pending|running|unobserved|unknown"}'
"""Tasks that have not ended, as far as is known."""

OBSERVED = 'bytespike_tasks{status=~"pending|running|unknown"}'
"""Those of them that the API has spoken of."""


def groups() -> tuple[Group, ...]:
    """All of them. Long windows change slowly, and are computed less often."""
    return (
        Group("bytespike-outcomes", (*_outcomes(SHORT), *_codes(("10m",)))),
        Group("bytespike-outcomes-long", (*_outcomes(LONG), *_codes(("1d",))), interval="1m"),
        Group("bytespike-progress", (*_progress(), *_queue("15m"))),
        Group("bytespike-progress-long", (*_queue("1d"), _eta()), interval="1m"),
        Group("bytespike-credits", tuple(_credits()), interval="1m"),
        Group("bytespike-api", tuple(_api())),
    )


def _outcomes(windows: Iterable[str]) -> Iterator[Record]:
    """Failures, and all that the success objective judges: completed and failed tasks."""
    finished = "bytespike_tasks_finished_total"
    for window in windows:
        failed = _sum(f'rate({finished}{{status="failed"}}[{window}])', "model, status")
        judged = _sum(f'rate({finished}{{status=~"completed|failed"}}[{window}])', "model, status")
        yield Record(f"group:bytespike_tasks_failed:rate{window}", failed)
        yield Record(f"group:bytespike_tasks_judged:rate{window}", judged)
        yield Record(
            f"group:bytespike_tasks_failed_per_judged:ratio_rate{window}",
            f"group:bytespike_tasks_failed:rate{window} / (group:bytespike_tasks_judged:rate{window} > 0)",
        )


def _codes(windows: Iterable[str]) -> Iterator[Record]:
    for window in windows:
        failed = _sum(f"rate(bytespike_tasks_failed_total[{window}])", "model")
        yield Record(f"group_code:bytespike_tasks_failed:rate{window}", failed)
        yield Record(
            f"group_code:bytespike_tasks_failed_per_judged:ratio_rate{window}",
            f"group_code:bytespike_tasks_failed:rate{window}\n"
            f"/ ignoring (error_code) group_left () (group:bytespike_tasks_judged:rate{window} > 0)",
        )


def _progress() -> Iterator[Record]:
    """What is open, and what is late."""
    oldest = "min without (instance, model, status) (bytespike_tasks_oldest_submit_timestamp_seconds)"
    yield Record("group:bytespike_tasks_open:sum", _sum(OPEN, "model, status"))
    yield Record("group:bytespike_tasks_observed:sum", _sum(OBSERVED, "model, status"))
    yield Record("group:bytespike_tasks_overdue:sum", _sum("bytespike_tasks_overdue", "model"))
    yield Record("group:bytespike_tasks_oldest_submit_timestamp_seconds:min", oldest)


def _queue(window: str) -> Iterator[Record]:
    name = "bytespike_tasks_queue_duration_seconds"
    for part in ("sum", "count"):
        yield Record(f"group:{name}_{part}:rate{window}", _sum(f"rate({name}_{part}[{window}])", "model"))
    yield Record(
        f"group:{name}:mean_rate{window}",
        f"group:{name}_sum:rate{window}\n/ (group:{name}_count:rate{window} > 0)",
    )


def _eta() -> Record:
    ratios = _sum("rate(bytespike_tasks_eta_ratio_bucket[1h])", "model")
    return Record("group:bytespike_tasks_eta_ratio:median_rate1h", _quantile(0.5, ratios))


def _credits() -> Iterator[Record]:
    """What an account spends, and has left; and what its groups' tasks cost beside what was estimated for them."""
    used, estimated = "bytespike_tasks_credits_used", "bytespike_tasks_credits_estimated"
    for window in ("1h", "1d"):
        spent = _sum(f"rate({used}_total[{window}])", "group, model, status")
        yield Record(f"account:{used}:rate{window}", spent)
    for left in ("bytespike_api_quota_remaining_credits", "bytespike_api_org_quota_remaining_credits"):
        yield Record(f"account:{left}:min", f"min without (instance) ({left})")
    yield Record(f"group:{used}_with_estimate:rate6h", _sum(f"rate({used}_with_estimate_total[6h])", "model"))
    yield Record(f"group:{estimated}:rate6h", _sum(f"rate({estimated}_total[6h])", "model"))
    yield Record(
        f"group:{used}_per_estimated:ratio_rate6h",
        f"group:{used}_with_estimate:rate6h / (group:{estimated}:rate6h > 0)",
    )


def _api() -> Iterator[Record]:
    requests, failures = "bytespike_api_requests", "bytespike_api_request_failures"
    yield Record(f"account:{requests}:rate5m", _sum(f"rate({requests}_total[5m])", "endpoint"))
    yield Record(f"account_reason:{failures}:rate5m", _sum(f"rate({failures}_total[5m])", "endpoint"))
    yield Record(
        f"account_reason:{failures}_per_requests:ratio_rate5m",
        f"account_reason:{failures}:rate5m\n/ ignoring (reason) group_left () (account:{requests}:rate5m > 0)",
    )
    latency = _sum("rate(bytespike_api_request_duration_seconds_bucket[5m])", "endpoint")
    yield Record("account:bytespike_api_request_duration_seconds:p95_rate5m", _quantile(0.95, latency))
    lag = _sum("rate(bytespike_exporter_poll_lag_seconds_bucket[10m])")
    yield Record("account:bytespike_exporter_poll_lag_seconds:p90_rate10m", _quantile(0.9, lag))


def _sum(vector: str, without: str = "") -> str:
    labels = f"instance, {without}" if without else "instance"
    return f"sum without ({labels}) (\n  {vector}\n)"


def _quantile(share: float, buckets: str) -> str:
    return f"histogram_quantile({share}, {buckets})"


if __name__ == "__main__":
    sys.stdout.write(document(groups(), header=HEADER))
