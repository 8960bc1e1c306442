"""The catalogue against the contract, which is written out here a second time."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import exporter
from exporter.metrics.catalogue import BY_NAME, FAMILIES
from exporter.metrics.families import proxy
from exporter.metrics.family import (
    Accumulated,
    Counter,
    Family,
    Gauge,
    Histogram,
    Info,
    Instantaneous,
    StateSet,
    Type,
)
from exporter.metrics.gauges import gauges
from exporter.metrics.labelling import Labelling
from tests.metrics.snapshots import busy

TASKS = "account group model"
TASK = "account group model task_id out_task_id"

CONTRACT = {
    "bytespike_tasks": ("gauge", f"{TASKS} status"),
    "bytespike_tasks_followed_total": ("counter", TASKS),
    "bytespike_tasks_finished_total": ("counter", f"{TASKS} status"),
    "bytespike_tasks_failed_total": ("counter", f"{TASKS} error_code"),
    "bytespike_tasks_credits_used_total": ("counter", f"{TASKS} status"),
    "bytespike_tasks_credits_estimated_total": ("counter", TASKS),
    "bytespike_tasks_credits_used_with_estimate_total": ("counter", TASKS),
    "bytespike_tasks_outstanding_credits": ("gauge", TASKS),
    "bytespike_tasks_duration_seconds": ("histogram", f"{TASKS} status"),
    "bytespike_tasks_queue_duration_seconds": ("histogram", TASKS),
    "bytespike_tasks_eta_ratio": ("histogram", TASKS),
    "bytespike_tasks_overdue": ("gauge", TASKS),
    "bytespike_tasks_oldest_submit_timestamp_seconds": ("gauge", f"{TASKS} status"),
    "bytespike_tasks_outputs_total": ("counter", f"{TASKS} type"),
    "bytespike_tasks_output_video_seconds_total": ("counter", TASKS),
    "bytespike_task_status": ("stateset", f"{TASK} status"),
    "bytespike_task_elapsed_seconds": ("gauge", TASK),
    "bytespike_task_eta_seconds": ("gauge", TASK),
    "bytespike_task_credits_estimated": ("gauge", TASK),
    "bytespike_task_credits_used": ("gauge", TASK),
    "bytespike_task_error_info": ("info", f"{TASK} error_code"),
    "bytespike_up": ("gauge", "account"),
    "bytespike_api_requests_total": ("counter", "account endpoint"),
    "bytespike_api_request_failures_total": ("counter", "account endpoint reason"),
    "bytespike_api_request_duration_seconds": ("histogram", "account endpoint"),
    "bytespike_api_last_success_timestamp_seconds": ("gauge", "account"),
    "bytespike_api_quota_remaining_credits": ("gauge", "account"),
    "bytespike_api_org_quota_remaining_credits": ("gauge", "account"),
    "bytespike_api_rate_limit_usd": ("gauge", "account"),
    "bytespike_api_rate_limit_remaining_usd": ("gauge", "account"),
    "bytespike_api_rate_limit_reset_timestamp_seconds": ("gauge", "account"),
    "bytespike_api_suspended": ("gauge", "account reason"),
    "bytespike_api_schema_drift_total": ("counter", "account kind"),
    "bytespike_proxy_requests_total": ("counter", "account endpoint code"),
    "bytespike_proxy_submissions_failed_total": ("counter", "account error_code"),
    "bytespike_proxy_request_duration_seconds": ("histogram", "account endpoint"),
    "bytespike_proxy_upstream_failures_total": ("counter", "account reason"),
    "bytespike_proxy_clients_refused_total": ("counter", "reason"),
    "bytespike_proxy_time_to_first_poll_seconds": ("histogram", "account by"),
    "bytespike_proxy_requests_in_flight": ("gauge", ""),
    "bytespike_proxy_tasks_learnt_total": ("counter", "account group"),
    "bytespike_proxy_not_understood_total": ("counter", "endpoint"),
    "bytespike_exporter_poll_lag_seconds": ("histogram", "account"),
    "bytespike_exporter_observation_gap_seconds": ("histogram", "account"),
    "bytespike_exporter_tasks_due": ("gauge", "account"),
    "bytespike_exporter_oldest_due_timestamp_seconds": ("gauge", "account"),
    "bytespike_exporter_requests_in_flight": ("gauge", "account"),
    "bytespike_exporter_request_budget_ratio": ("gauge", "account"),
    "bytespike_exporter_attainable_interval_seconds": ("gauge", "account"),
    "bytespike_exporter_ledger_commit_duration_seconds": ("histogram", ""),
    "bytespike_exporter_ledger_pending": ("gauge", ""),
    "bytespike_exporter_ledger_failures_total": ("counter", ""),
    "bytespike_exporter_ledger_last_commit_timestamp_seconds": ("gauge", ""),
    "bytespike_exporter_sd_refresh_failures_total": ("counter", "group mechanism"),
    "bytespike_exporter_sd_last_refresh_timestamp_seconds": ("gauge", "group mechanism"),
    "bytespike_exporter_task_series_dropped": ("gauge", ""),
    "bytespike_exporter_label_values_overflowed_total": ("counter", "limit"),
    "bytespike_exporter_duplicate_tasks": ("gauge", ""),
    "bytespike_exporter_credentials_refused_total": ("counter", "kind"),
    "bytespike_exporter_http_connections": ("gauge", ""),
    "bytespike_exporter_http_connections_limit": ("gauge", ""),
    "bytespike_exporter_http_connections_closed_total": ("counter", "reason"),
    "bytespike_exporter_log_lines_dropped_total": ("counter", ""),
    "bytespike_exporter_clock_steps_total": ("counter", ""),
    "bytespike_exporter_config_last_reload_successful": ("gauge", ""),
    "bytespike_exporter_config_last_reload_success_timestamp_seconds": ("gauge", ""),
    "bytespike_exporter_config_info": ("info", "sha256"),
    "bytespike_exporter_account_owned": ("gauge", "account"),
    "bytespike_exporter_build_info": ("info", "version revision python_version"),
}

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def test_families_are_those_of_the_contract() -> None:
    assert {family.name: (str(family.type), " ".join(family.label_names())) for family in FAMILIES} == CONTRACT


def test_each_family_is_declared_once() -> None:
    assert len(BY_NAME) == len(FAMILIES)


@every_family
def test_name_tells_the_type(family: Family) -> None:
    assert re.fullmatch(r"bytespike(_[a-z]+)+", family.name)
    assert family.name.endswith("_total") == (family.type is Type.COUNTER)
    assert family.name.endswith("_info") == (family.type is Type.INFO)
    assert not family.name.endswith(("_count", "_sum", "_bucket", "_created"))


@every_family
def test_base_unit_stands_in_the_name(family: Family) -> None:
    if family.unit in ("seconds", "credits", "ratio", "usd"):
        assert f"_{family.unit}" in family.name
    assert "milliseconds" not in family.name


@every_family
def test_help_is_one_sentence(family: Family) -> None:
    assert family.help.endswith(".")
    assert "\n" not in family.help
    assert len(family.help) <= 160
    if family.unit in ("seconds", "ratio", "credits"):
        assert family.unit in family.help.lower() or "duration" in family.help


@every_family
def test_credits_say_what_they_are(family: Family) -> None:
    if family.unit == "credits":
        assert "USD" in family.help


@every_family
def test_labels_are_plain_and_distinct(family: Family) -> None:
    names = family.label_names(("team",))
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*|sha256", name) for name in names)
    assert not {"job", "instance", "le", "quantile"} & set(names)


@every_family
def test_starts_and_what_comes_later_fit_the_labels(family: Family) -> None:
    values = family.starts + family.later
    assert len(set(values)) == len(values)
    assert all(len(value) == len(family.labels) for value in values)


@every_family
def test_everything_that_counts_starts_at_zero(family: Family) -> None:
    # which groups and accounts are learnt from is nobody's to foresee here
    is_begun_by_configuration = family in (proxy.TASKS_LEARNT, proxy.FIRST_POLL)
    assert bool(family.starts) or not isinstance(family, Accumulated) or is_begun_by_configuration


every_histogram = pytest.mark.parametrize(
    "family", [family for family in FAMILIES if isinstance(family, Histogram)], ids=lambda family: family.name
)


@every_histogram
def test_buckets_ascend(family: Histogram) -> None:
    assert family.buckets
    assert list(family.buckets) == sorted(set(family.buckets))
    assert all(float(f"{le:g}") == le for le in family.buckets)


def test_user_labels_follow_the_task_labels() -> None:
    names = BY_NAME["bytespike_task_status"].label_names(("owner", "team"))
    assert names == ("account", "group", "model", "owner", "team", "task_id", "out_task_id", "status")


# ---- one declaration -------------------------------------------------------------------------------------------------


def test_every_instantaneous_family_is_read_and_nothing_else() -> None:
    snapshot = busy()
    read = gauges(snapshot, Labelling.of(snapshot), [])
    assert [family.name for family in FAMILIES if isinstance(family, Instantaneous) and not read[family]] == []
    assert set(read) <= set(FAMILIES)


@every_family
def test_every_family_is_of_one_kind(family: Family) -> None:
    kinds = {Counter: "counter", Histogram: "histogram", Gauge: "gauge", Info: "info", StateSet: "stateset"}
    assert kinds[type(family)] == family.type


def test_only_what_adds_up_can_be_counted_or_observed() -> None:
    kinds = (Counter, Gauge, Histogram, Info, StateSet)
    assert [kind for kind in kinds if hasattr(kind, "count")] == [Counter]
    assert [kind for kind in kinds if hasattr(kind, "observe")] == [Histogram]


@pytest.mark.slow
def test_no_name_of_a_family_stands_outside_its_declaration() -> None:
    """A name written twice can be misspelt once; docstrings may speak of one, and a migration of what once was."""
    package = Path(exporter.__file__).parent
    apart = {package / "metrics" / "families", package / "ledger" / "migrations" / "versions"}
    files = [path for path in package.rglob("*.py") if path.parent not in apart]
    assert len(files) > 50
    assert [f"{path.relative_to(package)}: {name}" for path in files for name in _family_names(path)] == []


def _family_names(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
            yield from (name for name in re.findall(r"bytespike(?:_[a-z]+)+", node.value) if name in BY_NAME)
