"""Snapshots that the tests render: each a small, whole story."""

from typing import Any

from msgspec import structs

from exporter.accounting.series import SHOWN, Increments
from exporter.accounting.totals import Totals
from exporter.dispatcher.answer import Drift, Quota, Reason
from exporter.ledger.ledger import LedgerView
from exporter.metrics.events import (
    count_commit,
    count_failed_submission,
    count_first_poll,
    count_followed,
    count_learnt,
    count_not_understood,
    count_outcome,
    count_overflow,
    count_proxied,
    count_queue,
    count_refused_client,
    count_request,
    count_upstream_failure,
    local_passages,
    local_poll_lags,
)
from exporter.metrics.families.proxy import Asker, Refused, UpstreamFault
from exporter.metrics.families.tasks import FAILED
from exporter.metrics.limits import LabelLimits
from exporter.metrics.snapshot import AccountView, BuildView, ConfigView, Snapshot, SourceView
from exporter.tasks.census import Census
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Outcome, Output, Status
from exporter.tasks.state import Submission, TaskState

NOW = 1_748_000_000.0
BUILD = BuildView(version="0.1.0", revision="abc1234", python_version="3.11.9")
SHA256 = "0123456789abcdef" * 4
VIDEO = TaskLabels("default", "renders", "sora-2-pro", (("team", "video"),))
IMAGE = TaskLabels("default", "stills", "seedream-v4", (("team", "print"),))
NOTHING = Census(at=NOW, counts={}, outstanding_credits={}, overdue={}, oldest={})


def task(task_id: str, status: Status, **known: Any) -> TaskState:
    """A task that was submitted two minutes ago."""
    ref = TaskRef("default", task_id, known.pop("out_task_id", None))
    begun = {"first_seen_at": NOW - 120, "submitted_at": NOW - 120, "submission": Submission.SOURCE}
    return TaskState(ref=ref, status=status, **{**begun, **known})


def completed(task_id: str, duration: float, **known: Any) -> Outcome:
    """A video that came out as ordered."""
    usual = {
        "credits_used": 1.47,
        "credits_estimated": 1.5,
        "gap": 4.5,
        "eta_ratio": duration / 35,
        "outputs": (Output("video", 8.0),),
    }
    ref = TaskRef("default", task_id)
    return Outcome(ref, Status.COMPLETED, NOW - 60, duration=duration, **{**usual, **known})


def failed(task_id: str, error_code: str | None, duration: float = 20.0) -> Outcome:
    return Outcome(TaskRef("default", task_id), Status.FAILED, NOW - 30, duration=duration, error_code=error_code)


def empty_start() -> Snapshot:
    """The first scrape: everything configured, nothing observed."""
    return Snapshot(
        census=NOTHING,
        build=BUILD,
        label_names=("team",),
        known=(VIDEO,),
        accounts=(AccountView("default"),),
        sources=(SourceView("renders", "static"),),
        config=ConfigView(last_reload_success_at=NOW, sha256=SHA256),
    )


def busy() -> Snapshot:
    """An afternoon: two groups, tasks in every state, one of them followed under both ids."""
    counted = _busy_totals()
    return Snapshot(
        proxied=2,
        census=_busy_census(),
        build=BUILD,
        label_names=("team",),
        known=(IMAGE, VIDEO),
        totals=counted.view(),
        exemplars=counted.exemplars(),
        accounts=(_busy_account(),),
        ledger=LedgerView(pending=2, last_commit_at=NOW - 1),
        sources=(SourceView("renders", "static", NOW - 300), SourceView("stills", "file", NOW - 12.5)),
        config=ConfigView(last_reload_success_at=NOW - 300, sha256=SHA256),
    )


def after_overflow() -> Snapshot:
    """Limits reached: the third error code becomes ``other``, tasks without series, a task named twice."""
    limits = LabelLimits()
    limits.configure([VIDEO], label_names=("team",), label_values=2, label_sets=1000)
    counted = Totals()
    for number, code in enumerate(["one", "two", "three", "four", "two"]):
        outcome = failed(f"task_{number}", code)
        bounded = limits.admit_error_code(VIDEO, code)
        counted.publish(*count_outcome(VIDEO, outcome, error_code=bounded))
    counted.publish(
        {structs.replace(series, part=SHOWN): 1.0 for series in counted.view() if series.family == FAILED.name}
    )
    for limit, refusals in limits.take_overflows().items():
        counted.publish(count_overflow(limit, refusals))
    census = Census(
        at=NOW,
        counts={(VIDEO, Status.FAILED): 5},
        outstanding_credits={},
        overdue={},
        oldest={},
        listed=((VIDEO, task("task_0", Status.FAILED, error_code="one", duration=20.0)),),
        unlisted=4,
        duplicates=1,
    )
    return Snapshot(
        census=census,
        build=BUILD,
        known=(VIDEO,),
        totals=counted.view(),
        accounts=(AccountView("default", suspended="invalid_api_key"),),
        ledger=LedgerView(pending=7, failing=True),
        config=ConfigView(last_reload_successful=False, last_reload_success_at=NOW - 300),
    )


def _busy_totals() -> Totals:
    counted = Totals()
    for _ in range(4):
        counted.publish(count_followed(VIDEO))
    counted.publish(*count_outcome(VIDEO, completed("task_A", 31.0)))
    counted.publish(*count_outcome(VIDEO, completed("task_B", 118.0)))
    refused = failed("task_C", "content_policy_violation")
    counted.publish(*count_outcome(VIDEO, refused, error_code=refused.error_code))
    stopped = Outcome(TaskRef("default", "task_D"), Status.CANCELLED, NOW - 5, duration=9.0, credits_used=0.4)
    counted.publish(*count_outcome(IMAGE, stopped))
    counted.publish(count_queue(VIDEO, 7.0))
    for seconds in (0.04, 0.2):
        counted.publish(count_request("default", "tasks/query", seconds=seconds))
    late = count_request("default", "tasks/query", seconds=10.0, failure=Reason.TIMEOUT, drift=(Drift.LEGACY_SHAPE,))
    counted.publish(late)
    late_by, lags = Increments(), local_poll_lags("default")
    lags.observe(0.02)
    lags.flush_into(late_by)
    counted.publish(late_by)
    counted.publish(count_commit(0.004))
    passed, passages = Increments(), local_passages("default", "submit")
    passages.observe(0.2)
    passages.flush_into(passed)
    for events in (
        count_proxied("default", "submit", "200", 1),
        passed,
        count_upstream_failure("default", UpstreamFault.CERTIFICATE),
        count_refused_client(Refused.LIMIT),
        count_first_poll("default", Asker.APPLICATION, 2.0),
        count_failed_submission("default", "insufficient_balance"),
        count_learnt("default", "renders"),
        count_not_understood("query"),
    ):
        counted.publish(events)
    return counted


def _busy_census() -> Census:
    open_ = task("task_E", Status.RUNNING, out_task_id="my-render", eta_seconds=35.0, credits_estimated=1.5)
    done = task("task_A", Status.COMPLETED, credits_used=1.47, duration=31.0)
    refused = task("task_C", Status.FAILED, error_code="content_policy_violation", duration=20.0)
    return Census(
        at=NOW,
        counts={(VIDEO, Status.RUNNING): 1, (VIDEO, Status.COMPLETED): 2, (VIDEO, Status.FAILED): 1},
        outstanding_credits={VIDEO: 1.5},
        overdue={VIDEO: 1},
        oldest={(VIDEO, Status.RUNNING): NOW - 120},
        listed=((VIDEO, open_), (VIDEO, done), (VIDEO, refused)),
    )


def _busy_account() -> AccountView:
    return AccountView(
        "default",
        up=True,
        last_success_at=NOW - 2,
        suspended="concurrency",
        quota=Quota(192.4, 8420.65, 50.0, 42.18, NOW + 3600),
        tasks_due=3,
        oldest_due_at=NOW - 4,
        requests_in_flight=2,
        request_budget_ratio=0.25,
        attainable_interval=0.5,
    )
