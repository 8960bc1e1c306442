import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.accounting.local_histogram import LocalHistogram
from exporter.accounting.series import SUM, Exemplar, Increments, Series, labels_of
from exporter.dispatcher.answer import Drift, Reason
from exporter.metrics import events as accounting
from exporter.metrics.catalogue import BY_NAME
from exporter.metrics.events import count_no_requests, count_outcome, count_queue, count_request
from exporter.metrics.limits import Limit
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import TERMINAL, Outcome, Output, Status

LABELS = TaskLabels("default", "renders", "sora-2", (("team", "video"),))
OWN = {"account": "default", "group": "renders", "model": "sora-2", "team": "video"}
REF = TaskRef("default", "task_1")


def series(family: str, part: str = "", **labels: str) -> Series:
    return Series(family, labels_of(**OWN, **labels), part)


def test_completed_task() -> None:
    outcome = Outcome(
        REF,
        Status.COMPLETED,
        1000.0,
        duration=40.0,
        gap=3.0,
        eta_ratio=40 / 35,
        credits_used=1.47,
        credits_estimated=1.5,
        outputs=(Output("video", 8.0), Output("video"), Output("image", 5.0), Output("hologram")),
    )
    increments, exemplars = count_outcome(LABELS, outcome)
    gap = labels_of(account="default")
    assert increments == {
        series("bytespike_tasks_finished_total", status="completed"): 1,
        series("bytespike_tasks_credits_used_total", status="completed"): 1.47,
        series("bytespike_tasks_credits_estimated_total"): 1.5,
        series("bytespike_tasks_credits_used_with_estimate_total"): 1.47,
        series("bytespike_tasks_duration_seconds", SUM, status="completed"): 40.0,
        series("bytespike_tasks_duration_seconds", "le:45", status="completed"): 1,
        series("bytespike_tasks_eta_ratio", SUM): 40 / 35,
        series("bytespike_tasks_eta_ratio", "le:1.25"): 1,
        series("bytespike_tasks_outputs_total", type="video"): 2,
        series("bytespike_tasks_outputs_total", type="image"): 1,
        series("bytespike_tasks_outputs_total", type="other"): 1,
        series("bytespike_tasks_output_video_seconds_total"): 8.0,
        Series("bytespike_exporter_observation_gap_seconds", gap, SUM): 3.0,
        Series("bytespike_exporter_observation_gap_seconds", gap, "le:5"): 1,
    }
    bucket = series("bytespike_tasks_duration_seconds", "le:45", status="completed")
    assert exemplars == {bucket: Exemplar(value=40.0, task_id="task_1", at=1000.0)}


@pytest.mark.parametrize(("bounded", "label"), [("too_hot", "too_hot"), (None, "unknown"), ("", "unknown")])
def test_failed_task(bounded: str | None, label: str) -> None:
    increments, exemplars = count_outcome(LABELS, Outcome(REF, Status.FAILED, 1000.0), error_code=bounded)
    failure = series("bytespike_tasks_failed_total", error_code=label)
    assert increments == {series("bytespike_tasks_finished_total", status="failed"): 1, failure: 1}
    assert exemplars == {failure: Exemplar(value=1.0, task_id="task_1", at=1000.0)}


def test_cancelled_task_may_have_been_billed() -> None:
    outcome = Outcome(REF, Status.CANCELLED, 1000.0, credits_used=0.4, credits_estimated=1.5)
    increments, exemplars = count_outcome(LABELS, outcome)
    assert increments == {
        series("bytespike_tasks_finished_total", status="cancelled"): 1,
        series("bytespike_tasks_credits_used_total", status="cancelled"): 0.4,
    }
    assert exemplars == {}


def test_lost_task_has_no_duration() -> None:
    outcome = Outcome(REF, Status.NOT_FOUND, 1000.0, duration=40.0)
    assert count_outcome(LABELS, outcome).increments == {
        series("bytespike_tasks_finished_total", status="not_found"): 1
    }


def test_no_exemplar_without_a_task_id() -> None:
    outcome = Outcome(TaskRef("default", None, "mine"), Status.FAILED, 1000.0, duration=1.0)
    assert count_outcome(LABELS, outcome).exemplars == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.01])
def test_amounts_that_would_spoil_a_counter_are_left_out(bad: float) -> None:
    outcome = Outcome(
        REF,
        Status.COMPLETED,
        1000.0,
        duration=bad,
        gap=bad,
        eta_ratio=bad,
        credits_used=bad,
        credits_estimated=bad,
        outputs=(Output("video", bad),),
    )
    assert count_outcome(LABELS, outcome).increments == {
        series("bytespike_tasks_finished_total", status="completed"): 1,
        series("bytespike_tasks_outputs_total", type="video"): 1,
    }


def test_queue() -> None:
    assert count_queue(LABELS, 7.0) == {
        series("bytespike_tasks_queue_duration_seconds", SUM): 7.0,
        series("bytespike_tasks_queue_duration_seconds", "le:10"): 1,
    }


def test_request() -> None:
    asked = labels_of(account="default", endpoint="tasks/query")
    failure = labels_of(account="default", endpoint="tasks/query", reason="timeout")
    drift = labels_of(account="default", kind="legacy_shape")
    counted = count_request(
        "default", "tasks/query", seconds=40.0, failure=Reason.TIMEOUT, drift=[Drift.LEGACY_SHAPE, Drift.LEGACY_SHAPE]
    )
    assert counted == {
        Series("bytespike_api_requests_total", asked): 1,
        Series("bytespike_api_request_duration_seconds", asked, SUM): 40.0,
        Series("bytespike_api_request_duration_seconds", asked, "le:inf"): 1,
        Series("bytespike_api_request_failures_total", failure): 1,
        Series("bytespike_api_schema_drift_total", drift): 2,
    }


def test_requests_that_may_come_have_every_series_from_the_start() -> None:
    foreseen = count_no_requests("default", "tasks/stream")
    assert set(foreseen.values()) == {0.0}
    for failure in Reason:
        counted = count_request("default", "tasks/stream", seconds=0.1, failure=failure)
        assert {series for series in counted if not series.part.startswith("le:")} <= set(foreseen)


def test_request_that_was_never_sent_has_no_latency() -> None:
    counted = count_request("default", "tasks/query", seconds=None, failure=Reason.INTERNAL)
    assert set(counted.families()) == {"bytespike_api_requests_total", "bytespike_api_request_failures_total"}


def flushed(local: LocalHistogram, *values: float) -> Increments:
    increments = Increments()
    for value in values:
        local.observe(value)
    assert local.flush_into(increments) == len(values)
    return increments


def test_answered_requests_count_the_same_one_by_one_and_all_together() -> None:
    seconds = (0.003, 0.2, 0.2, 99.0)
    one_by_one = Increments()
    for each in seconds:
        one_by_one.merge(count_request("a", "tasks/query", seconds=each))
    together = flushed(accounting.local_latencies("a", "tasks/query"), *seconds)
    together.merge(accounting.count_answers("a", "tasks/query", len(seconds)))
    assert together == one_by_one


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (
            flushed(accounting.local_poll_lags("a"), 0.02),
            {
                ("poll_lag_seconds", (("account", "a"),), SUM): 0.02,
                ("poll_lag_seconds", (("account", "a"),), "le:0.05"): 1,
            },
        ),
        (
            accounting.count_commit(0.0004),
            {
                ("ledger_commit_duration_seconds", (), SUM): 0.0004,
                ("ledger_commit_duration_seconds", (), "le:0.0005"): 1,
            },
        ),
        (accounting.count_ledger_failure(), {("ledger_failures_total", (), ""): 1}),
        (
            accounting.count_refresh_failure("g", "file"),
            {("sd_refresh_failures_total", (("group", "g"), ("mechanism", "file")), ""): 1},
        ),
        (
            accounting.count_overflow(Limit.LABEL_SETS, 3),
            {("label_values_overflowed_total", (("limit", "label_sets"),), ""): 3},
        ),
    ],
)
def test_own_events(counted: Increments, expected: dict[tuple[str, tuple[tuple[str, str], ...], str], float]) -> None:
    assert counted == {
        Series(f"bytespike_exporter_{name}", labels, part): by for (name, labels, part), by in expected.items()
    }


numbers = st.none() | st.floats()


@given(
    status=st.sampled_from(sorted(TERMINAL)),
    duration=numbers,
    gap=numbers,
    eta_ratio=numbers,
    credits_used=numbers,
    credits_estimated=numbers,
    outputs=st.lists(st.builds(Output, st.text(max_size=5) | st.just("video"), numbers), max_size=3).map(tuple),
)
def test_whatever_ends_adds_only_what_the_catalogue_has(status: Status, **ended: Any) -> None:
    increments, exemplars = count_outcome(LABELS, Outcome(REF, status, 1000.0, **ended))
    for counted, by in increments.items():
        family = BY_NAME[counted.family]
        assert {name for name, _ in counted.labels} == set(family.label_names(("team",)))
        assert math.isfinite(by)
        assert by >= 0
    assert set(exemplars) <= set(increments)
