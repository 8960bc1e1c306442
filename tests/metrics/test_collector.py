import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client.registry import CollectorRegistry
from prometheus_client.samples import Sample

from exporter.accounting.series import SHOWN, SUM, Exemplar, Series, bucket, labels_of
from exporter.dispatcher.answer import Drift, Reason
from exporter.ledger.ledger import LedgerView
from exporter.metrics.catalogue import BY_NAME, FAMILIES
from exporter.metrics.collector import SnapshotCollector
from exporter.metrics.families.tasks import FAILED
from exporter.metrics.family import Accumulated, Counter
from exporter.metrics.snapshot import AccountView, Snapshot, SourceView
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState
from tests.metrics.snapshots import IMAGE, NOTHING, NOW, VIDEO, busy, empty_start, task

ONE_GROUP = Snapshot(
    census=NOTHING,
    build=empty_start().build,
    known=(TaskLabels("default", "renders"),),
    accounts=(AccountView("default"),),
)
OWN = {"account": "default", "group": "renders", "model": ""}


def samples(snapshot: Snapshot, name: str) -> list[Sample]:
    return [
        sample for metric in SnapshotCollector(snapshot).collect() for sample in metric.samples if sample.name == name
    ]


def numbers(snapshot: Snapshot, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values of one sample name by the labels that matter."""
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in samples(snapshot, name)}


def with_totals(totals: Mapping[Series, float], base: Snapshot = ONE_GROUP) -> Snapshot:
    return replace(base, totals=totals)


def finished(status: str = "completed", **labels: str) -> Series:
    return Series("bytespike_tasks_finished_total", labels_of(**{**OWN, "status": status, **labels}))


# ---- what is shown at all --------------------------------------------------------------------------------------------


def test_families_come_in_the_order_of_the_catalogue() -> None:
    shown = [metric.name for metric in SnapshotCollector(busy()).collect()]
    described = [metric.name for metric in SnapshotCollector(busy()).describe()]
    assert shown == [name for name in described if name in shown]
    assert len(described) == len(FAMILIES)


def test_every_family_has_a_sample_when_busy() -> None:
    base = {name.removesuffix("_total").removesuffix("_info") for name in BY_NAME}
    assert {metric.name for metric in SnapshotCollector(busy()).collect()} == base


def test_every_sample_has_exactly_its_labels_and_no_timestamp() -> None:
    described = {family.name.removesuffix("_total").removesuffix("_info"): family for family in FAMILIES}
    for metric in SnapshotCollector(busy()).collect():
        names = described[metric.name].label_names(("team",))
        for sample in metric.samples:
            assert set(sample.labels) - {"le"} == set(names)
            assert sample.timestamp is None
            assert not sample.name.endswith("_created")


def test_no_series_is_shown_twice() -> None:
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(busy()))
    shown = [(sample.name, tuple(sorted(sample.labels.items()))) for m in registry.collect() for sample in m.samples]
    assert len(shown) == len(set(shown))


def test_a_name_that_the_catalogue_lacks_cannot_be_shown() -> None:
    stray = Series("bytespike_tasks_invented_total", labels_of(**OWN))
    gauge = Series("bytespike_tasks", labels_of(**OWN, status="running"))
    snapshot = with_totals({stray: 1.0, gauge: 7.0})
    assert samples(snapshot, "bytespike_tasks_invented_total") == []
    assert set(numbers(snapshot, "bytespike_tasks", "status").values()) == {0.0}


# ---- what starts at 0 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "labels", "values"),
    [
        ("bytespike_tasks", ["status"], [(status,) for status in Status]),
        (
            "bytespike_tasks_finished_total",
            ["status"],
            [("completed",), ("failed",), ("cancelled",), ("not_found",)],
        ),
        ("bytespike_tasks_failed_total", ["error_code"], [("content_policy_violation",)]),
        ("bytespike_tasks_credits_used_total", ["status"], [("completed",), ("failed",), ("cancelled",)]),
        ("bytespike_tasks_credits_estimated_total", [], [()]),
        ("bytespike_tasks_credits_used_with_estimate_total", [], [()]),
        ("bytespike_tasks_outstanding_credits", [], [()]),
        ("bytespike_tasks_overdue", [], [()]),
        ("bytespike_tasks_duration_seconds_count", ["status"], [("completed",), ("failed",), ("cancelled",)]),
        ("bytespike_tasks_queue_duration_seconds_sum", [], [()]),
        ("bytespike_tasks_eta_ratio_count", [], [()]),
        ("bytespike_tasks_outputs_total", ["type"], [("video",), ("image",), ("audio",)]),
        ("bytespike_tasks_output_video_seconds_total", [], [()]),
        ("bytespike_up", ["account"], [("default",)]),
        ("bytespike_api_requests_total", ["account", "endpoint"], [("default", "tasks/query")]),
        ("bytespike_api_request_failures_total", ["reason"], [(reason,) for reason in Reason]),
        ("bytespike_api_request_duration_seconds_count", ["endpoint"], [("tasks/query",)]),
        ("bytespike_api_schema_drift_total", ["kind"], [(kind,) for kind in Drift]),
        ("bytespike_exporter_poll_lag_seconds_count", ["account"], [("default",)]),
        ("bytespike_exporter_observation_gap_seconds_count", ["account"], [("default",)]),
        ("bytespike_exporter_ledger_failures_total", [], [()]),
        ("bytespike_exporter_ledger_commit_duration_seconds_count", [], [()]),
        ("bytespike_exporter_label_values_overflowed_total", ["limit"], [("label_values",), ("label_sets",)]),
        ("bytespike_exporter_task_series_dropped", [], [()]),
        ("bytespike_exporter_duplicate_tasks", [], [()]),
    ],
)
def test_known_label_sets_start_at_zero(name: str, labels: list[str], values: list[tuple[str, ...]]) -> None:
    assert numbers(ONE_GROUP, name, *labels) == dict.fromkeys(values, 0.0)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in ("bad_request", "internal")])
def test_every_reason_to_hold_an_account_back_is_shown(reason: str) -> None:
    held = replace(ONE_GROUP, accounts=(AccountView("default", suspended=reason),))
    shown = numbers(held, "bytespike_api_suspended", "reason")
    assert [name for (name,), value in shown.items() if value] == [reason]
    assert set(shown) == set(numbers(ONE_GROUP, "bytespike_api_suspended", "reason"))


def test_a_reason_not_foreseen_is_shown_while_it_lasts() -> None:
    held = replace(ONE_GROUP, accounts=(AccountView("default", suspended="moon"),))
    assert numbers(held, "bytespike_api_suspended", "reason")["moon",] == 1.0


def test_each_source_starts_at_zero() -> None:
    sources = (
        SourceView("renders", "file", NOW),
        SourceView("renders", "http"),
        SourceView("renders", "file", NOW - 5),
    )
    snapshot = replace(ONE_GROUP, sources=sources)
    assert numbers(snapshot, "bytespike_exporter_sd_refresh_failures_total", "mechanism") == {
        ("file",): 0.0,
        ("http",): 0.0,
    }
    refreshed = numbers(snapshot, "bytespike_exporter_sd_last_refresh_timestamp_seconds", "group", "mechanism")
    assert refreshed == {("renders", "file"): NOW - 5}


def test_labels_met_under_way_have_every_aggregate_from_zero_on() -> None:
    met = TaskLabels("default", "renders", "new-model")
    census = replace(NOTHING, counts={(met, Status.PENDING): 1})
    counted = numbers(replace(ONE_GROUP, census=census), "bytespike_tasks_finished_total", "model", "status")
    assert counted["new-model", "completed"] == 0.0

    stored = finished(model="old-model")
    followed = numbers(with_totals({stored: 1.0}), "bytespike_tasks", "model", "status")
    assert followed["old-model", "running"] == 0.0


# ---- what is absent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "bytespike_tasks_oldest_submit_timestamp_seconds",
        "bytespike_task_status",
        "bytespike_api_last_success_timestamp_seconds",
        "bytespike_api_quota_remaining_credits",
        "bytespike_api_org_quota_remaining_credits",
        "bytespike_api_rate_limit_usd",
        "bytespike_api_rate_limit_remaining_usd",
        "bytespike_api_rate_limit_reset_timestamp_seconds",
        "bytespike_exporter_ledger_last_commit_timestamp_seconds",
        "bytespike_exporter_sd_last_refresh_timestamp_seconds",
    ],
)
def test_what_is_missing_is_absent(name: str) -> None:
    assert samples(ONE_GROUP, name) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_absent_too(value: float) -> None:
    snapshot = replace(ONE_GROUP, ledger=LedgerView(last_commit_at=value))
    assert samples(snapshot, "bytespike_exporter_ledger_last_commit_timestamp_seconds") == []


# ---- one task --------------------------------------------------------------------------------------------------------


def listing(*states: TaskState, labels: TaskLabels = ONE_GROUP.known[0]) -> Snapshot:
    return replace(ONE_GROUP, census=replace(NOTHING, listed=tuple((labels, state) for state in states)))


@pytest.mark.parametrize("status", Status)
def test_status_is_a_state_set(status: Status) -> None:
    shown = numbers(listing(task("task_1", status)), "bytespike_task_status", "task_id", "status")
    assert shown == {("task_1", each): float(each is status) for each in Status}


@pytest.mark.parametrize(
    ("state", "elapsed"),
    [
        (task("task_1", Status.RUNNING), 120.0),
        (task("task_1", Status.UNKNOWN, submission=Submission.FIRST_SIGHT), 120.0),
        (task("task_1", Status.PENDING, submitted_at=NOW + 30), 0.0),
        (task("task_1", Status.COMPLETED, duration=31.0), 31.0),
        (task("task_1", Status.FAILED, duration=0.0), 0.0),
        (task("task_1", Status.COMPLETED), None),
        (task("task_1", Status.NOT_FOUND), None),
    ],
)
def test_elapsed_is_the_age_and_then_the_duration(state: TaskState, elapsed: float | None) -> None:
    shown = numbers(listing(state), "bytespike_task_elapsed_seconds", "task_id")
    assert shown == ({} if elapsed is None else {("task_1",): elapsed})


def test_numbers_of_a_task_are_those_last_reported() -> None:
    known = task("task_1", Status.RUNNING, out_task_id="mine", eta_seconds=35.0, credits_estimated=1.5)
    silent = task("task_2", Status.PENDING)
    snapshot = listing(known, silent)
    assert numbers(snapshot, "bytespike_task_eta_seconds", "task_id", "out_task_id") == {("task_1", "mine"): 35.0}
    assert numbers(snapshot, "bytespike_task_credits_estimated", "task_id") == {("task_1",): 1.5}
    assert samples(snapshot, "bytespike_task_credits_used") == []


def test_task_known_by_its_own_name_only() -> None:
    state = structs.replace(task("task_1", Status.UNKNOWN), ref=TaskRef("default", None, "mine"))
    assert numbers(listing(state), "bytespike_task_elapsed_seconds", "task_id", "out_task_id") == {("", "mine"): 120.0}


@pytest.mark.parametrize(
    ("code", "label"), [("too_hot", "too_hot"), (None, "unknown"), ("x" * 300, "other"), ("\udcff", "?")]
)
def test_error_info_of_failed_tasks(code: str | None, label: str) -> None:
    snapshot = listing(task("task_1", Status.FAILED, error_code=code), task("task_2", Status.CANCELLED))
    assert numbers(snapshot, "bytespike_task_error_info", "task_id", "error_code") == {("task_1", label): 1.0}


def test_two_tasks_never_share_a_series() -> None:
    snapshot = listing(task("task_\ud800", Status.PENDING), task("task_\ud801", Status.RUNNING))
    assert numbers(snapshot, "bytespike_task_elapsed_seconds", "task_id") == {("task_?",): 120.0}
    assert len(samples(snapshot, "bytespike_task_status")) == len(Status)


def test_tasks_of_a_group_that_is_gone_are_not_listed() -> None:
    assert samples(listing(task("task_1", Status.RUNNING), labels=IMAGE), "bytespike_task_status") == []


# ---- labels that changed ---------------------------------------------------------------------------------------------


def test_totals_without_a_declared_label_show_it_empty() -> None:
    snapshot = with_totals({finished(): 2.0}, replace(ONE_GROUP, label_names=("team",)))
    assert numbers(snapshot, "bytespike_tasks_finished_total", "team", "status")["", "completed"] == 2.0


def test_totals_with_a_label_no_longer_declared_are_added_up() -> None:
    snapshot = with_totals({finished(team="a"): 2.0, finished(team="b"): 3.0, finished(): 1.0})
    assert numbers(snapshot, "bytespike_tasks_finished_total", "status")["completed",] == 6.0


def test_census_labels_are_fitted_likewise() -> None:
    one, two = structs.replace(VIDEO, user=(("team", "a"),)), structs.replace(VIDEO, user=(("team", "b"),))
    census = replace(
        NOTHING,
        counts={(one, Status.RUNNING): 1, (two, Status.RUNNING): 2},
        outstanding_credits={one: 1.0, two: 0.5},
        overdue={one: 1, two: 1},
        oldest={(one, Status.RUNNING): NOW - 5, (two, Status.RUNNING): NOW - 9},
    )
    snapshot = replace(ONE_GROUP, census=census)
    model = {"model": VIDEO.model, "account": "default", "group": "renders"}
    running = numbers(snapshot, "bytespike_tasks", "model", "status")
    assert running[VIDEO.model, "running"] == 3
    assert numbers(snapshot, "bytespike_tasks_outstanding_credits", "model")[VIDEO.model,] == 1.5
    assert numbers(snapshot, "bytespike_tasks_overdue", "model")[VIDEO.model,] == 2
    (oldest,) = samples(snapshot, "bytespike_tasks_oldest_submit_timestamp_seconds")
    assert (oldest.labels, oldest.value) == ({**model, "status": "running"}, NOW - 9)


@pytest.mark.parametrize(
    "gone",
    [
        finished(group="gone"),
        finished(account="gone"),
        Series("bytespike_api_requests_total", labels_of(account="gone", endpoint="tasks/query")),
        Series("bytespike_exporter_sd_refresh_failures_total", labels_of(group="renders", mechanism="gone")),
    ],
)
def test_totals_of_what_is_no_longer_configured_are_left_out(gone: Series) -> None:
    assert all("gone" not in sample.labels.values() for sample in samples(with_totals({gone: 1.0}), gone.family))


def test_an_aggregate_of_a_group_that_is_gone_is_left_out() -> None:
    census = replace(NOTHING, counts={(IMAGE, Status.RUNNING): 1}, oldest={(IMAGE, Status.RUNNING): NOW})
    snapshot = replace(ONE_GROUP, census=census)
    assert {group for (group,) in numbers(snapshot, "bytespike_tasks", "group")} == {"renders"}
    assert samples(snapshot, "bytespike_tasks_oldest_submit_timestamp_seconds") == []


# ---- histograms ------------------------------------------------------------------------------------------------------

QUEUE = "bytespike_tasks_queue_duration_seconds"


def queue(parts: Mapping[str, float]) -> Snapshot:
    return with_totals({Series(QUEUE, labels_of(**OWN), part): value for part, value in parts.items()})


def test_buckets_are_cumulated() -> None:
    snapshot = queue({"le:5": 1, "le:20": 2, "le:inf": 3, SUM: 99_999.0})
    counts = numbers(snapshot, f"{QUEUE}_bucket", "le")
    assert [counts[le,] for le in ("5.0", "10.0", "15.0", "20.0", "7200.0", "+Inf")] == [1, 1, 1, 3, 3, 6]
    assert numbers(snapshot, f"{QUEUE}_count") == {(): 6}
    assert numbers(snapshot, f"{QUEUE}_sum") == {(): 99_999.0}


@pytest.mark.parametrize(("old", "now"), [("le:0.1", "5.0"), ("le:7", "10.0"), ("le:9000", "+Inf")])
def test_old_buckets_are_folded_into_the_next_larger(old: str, now: str) -> None:
    counts = numbers(queue({old: 4, SUM: 1.0}), f"{QUEUE}_bucket", "le")
    assert next(le for (le,), count in counts.items() if count) == now
    assert counts["+Inf",] == 4


@pytest.mark.parametrize("part", ["", "le:", "le:nan", "le:many", "max"])
def test_parts_that_mean_nothing_are_left_out(part: str) -> None:
    assert numbers(queue({part: 4}), f"{QUEUE}_count") == {(): 0}


def test_a_part_means_nothing_to_a_counter() -> None:
    stray = structs.replace(finished(), part="sum")
    assert numbers(with_totals({stray: 4.0}), "bytespike_tasks_finished_total", "status")["completed",] == 0


# ---- what begins at 0 though nobody could foresee it -----------------------------------------------------------------


def failures(*codes: str, shown: tuple[str, ...] = ()) -> dict[Series, float]:
    counted = {structs.replace(failure(), labels=labels_of(**OWN, error_code=code)): 8.0 for code in codes}
    marks = {
        structs.replace(series, part=SHOWN): 1.0 for series in counted if dict(series.labels)["error_code"] in shown
    }
    return counted | marks


def test_a_code_counts_once_it_has_been_shown_at_0() -> None:
    totals = failures("hot", "cold", "content_policy_violation", shown=("cold",))
    page = numbers(with_totals(totals), FAILED.name, "error_code")
    assert page == {("hot",): 0.0, ("cold",): 8.0, ("content_policy_violation",): 8.0}
    assert SnapshotCollector(with_totals(totals)).announced == (next(iter(totals)),)


def test_what_is_not_shown_is_not_announced() -> None:
    elsewhere = {
        structs.replace(series, labels=labels_of(account="gone", error_code="x")): 1.0 for series in failures("hot")
    }
    assert SnapshotCollector(with_totals(elsewhere)).announced == ()


def test_a_code_that_does_not_count_yet_has_no_exemplar() -> None:
    snapshot = replace(with_totals(failures("hot")), exemplars={failure(): Exemplar(1.0, "task_1", NOW)})
    assert [sample.exemplar for sample in samples(snapshot, FAILED.name) if sample.exemplar] == []


# ---- exemplars -------------------------------------------------------------------------------------------------------


def exemplified(exemplars: Mapping[Series, Exemplar], name: str) -> list[tuple[str | None, dict[str, str]]]:
    marks = [structs.replace(series, part=SHOWN) for series in exemplars]
    snapshot = replace(ONE_GROUP, totals=dict.fromkeys([*exemplars, *marks], 1.0), exemplars=exemplars)
    found = samples(snapshot, name)
    return [(sample.labels.get("le"), sample.exemplar.labels) for sample in found if sample.exemplar]


def failure(**labels: str) -> Series:
    return Series("bytespike_tasks_failed_total", labels_of(**OWN, error_code="hot", **labels))


def test_exemplars_stand_at_their_counter_and_bucket() -> None:
    at_bucket = Series("bytespike_tasks_duration_seconds", labels_of(**OWN, status="failed"), "le:7")
    exemplars = {failure(): Exemplar(1.0, "task_1", NOW), at_bucket: Exemplar(6.5, "task_2", NOW)}
    assert exemplified(exemplars, "bytespike_tasks_failed_total") == [(None, {"task_id": "task_1"})]
    assert exemplified(exemplars, "bytespike_tasks_duration_seconds_bucket") == [("10.0", {"task_id": "task_2"})]


def test_the_latest_exemplar_wins_where_series_fall_together() -> None:
    exemplars = {
        failure(team="a"): Exemplar(1.0, "task_1", NOW),
        failure(team="b"): Exemplar(1.0, "task_3", NOW + 9),
        failure(team="c"): Exemplar(1.0, "task_2", NOW + 5),
        Series("bytespike_nothing", ()): Exemplar(1.0, "task_4", NOW + 99),
    }
    assert exemplified(exemplars, "bytespike_tasks_failed_total") == [(None, {"task_id": "task_3"})]


@pytest.mark.parametrize(("length", "shown"), [(121, 1), (122, 0)])
def test_exemplars_longer_than_openmetrics_allows_are_left_out(length: int, shown: int) -> None:
    exemplars = {failure(): Exemplar(1.0, "x" * length, NOW)}
    assert len(exemplified(exemplars, "bytespike_tasks_failed_total")) == shown


# ---- nothing gets lost -----------------------------------------------------------------------------------------------

COUNTED = [family for family in FAMILIES if isinstance(family, Accumulated)]
names = st.sampled_from(["default", "renders", "tasks/query", "completed", "m", ""])


@st.composite
def stored_series(draw: st.DrawFn) -> Series:
    family = draw(st.sampled_from(COUNTED))
    fixed = {"account": "default", "group": "renders", "mechanism": "file"}
    labels = {name: fixed.get(name) or draw(names) for name in family.label_names(("team", "gone"))}
    part = "" if isinstance(family, Counter) else draw(st.sampled_from([SUM, bucket(math.inf), "le:7", "le:0.01"]))
    return Series(family.name, labels_of(**labels), part)


@pytest.mark.slow
@given(st.dictionaries(stored_series(), st.integers(0, 1000).map(float), max_size=20))
def test_what_is_shown_adds_up_to_the_totals(totals: dict[Series, float]) -> None:
    base = replace(ONE_GROUP, label_names=("team",), sources=(SourceView("renders", "file"),), proxied=0)
    shown: defaultdict[str, float] = defaultdict(float)
    marks = {Series(series.family, series.labels, SHOWN): 1.0 for series in totals}
    for metric in SnapshotCollector(with_totals(totals | marks, base)).collect():
        for sample in metric.samples:
            shown[sample.name] += sample.value
    for family in COUNTED:
        counts = sum(n for s, n in totals.items() if s.family == family.name and s.part != SUM)
        sums = sum(n for s, n in totals.items() if s.family == family.name and s.part == SUM)
        if isinstance(family, Counter):
            assert shown[family.name] == counts
        else:
            assert (shown[f"{family.name}_count"], shown[f"{family.name}_sum"]) == (counts, sums)
