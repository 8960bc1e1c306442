"""What each change of a task makes the ledger keep and add, and what the exporter counts of itself."""

from collections import Counter
from unittest.mock import patch

import pytest
import structlog
from msgspec import structs
from structlog.testing import CapturingLogger

from exporter.accounting.local_histogram import LocalHistogram
from exporter.accounting.series import SUM, Increments, Series
from exporter.dispatcher.answer import Drift, Reason
from exporter.intake.accounting import ExporterAccounting, TaskAccounting
from exporter.ledger.ledger import Entry
from exporter.metrics.limits import LabelLimits, Limit
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.tracker import Change, ChangeKind, Tracker

LABELS = TaskLabels("a", "g", "sora-2")
BY_ID, BY_OUT_ID = Item(TaskRef("a", "t"), LABELS, 0.0), Item(TaskRef("a", None, "o"), LABELS, 0.0)
RUNNING = Observation(Status.RUNNING, estimated_credits=1.5)


class Books:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.recorded: list[tuple[int, Entry]] = []
        self.forgotten: list[int] = []
        self.joined: list[tuple[int, int]] = []
        self.metered: Counter[str] = Counter()

    def record(self, key: int, entry: Entry) -> None:
        self.recorded.append((key, entry))

    def forget(self, key: int, account: str) -> None:
        self.forgotten.append(key)

    def join(self, key: int, into: int, account: str) -> None:
        self.joined.append((key, into))

    def meter(self, increments: Increments) -> None:
        for series, by in increments.items():
            self.metered[f"{series.family} {dict(series.labels).get('limit', '')}".strip()] += int(by)


class Accounted:
    """A tracker whose changes are accounted for."""

    def __init__(self, *, codes: int = 200) -> None:
        self.books = Books()
        self.lines = CapturingLogger()
        self.limits = LabelLimits()
        self.limits.configure([LABELS], label_names=(), label_values=codes, label_sets=10)
        self.tracker = Tracker(Rules())
        self.accounting = TaskAccounting(
            ledger=self.books, limits=self.limits, log=structlog.wrap_logger(self.lines, processors=[])
        )

    def claim(self, item: Item, source: str = "s") -> Change:
        change = self.tracker.claim(source, item, now=1.0)
        assert change
        self.accounting.take(change)
        return change

    def answer(self, item: Item, observation: Observation, *, now: float = 5.0) -> list[Change]:
        changes = self.tracker.observe(item.ref, observation, now=now)
        for change in changes:
            self.accounting.take(change)
        return changes

    @property
    def last(self) -> Entry:
        return self.books.recorded[-1][1]


def counted(entry: Entry) -> list[Series]:
    """The series that an entry adds to."""
    return [series for count in (entry.followed, entry.started, entry.ended) if count for series in count.increments]


def families(entry: Entry) -> set[str]:
    return {series.family for series in counted(entry)}


def test_who_comes_to_be_followed_is_recorded_and_counts_nothing() -> None:
    accounted = Accounted()
    change = accounted.claim(BY_ID)
    assert [(number, entry.state) for number, entry in accounted.books.recorded] == [
        (change.task.number, change.task.state)
    ]
    assert not accounted.last.counts


def test_who_is_named_again_is_no_news() -> None:
    accounted = Accounted()
    accounted.claim(BY_ID)
    accounted.claim(BY_ID, source="another")
    assert len(accounted.books.recorded) == 1


def test_only_the_first_of_equal_answers_is_recorded() -> None:
    accounted = Accounted()
    accounted.claim(BY_ID)
    for now in (5.0, 6.0, 7.0):
        accounted.answer(BY_ID, RUNNING, now=now)
    assert len(accounted.books.recorded) == 2
    assert families(accounted.last) == {"bytespike_tasks_followed_total", "bytespike_tasks_queue_duration_seconds"}
    assert accounted.last.started
    assert accounted.last.ended is None


STRANGER = Item(TaskRef("a", "t"), TaskLabels("a", "g", "made-up"), 0.0)


def followed_by_a_stranger() -> Accounted:
    """A task is followed under labels that the configuration does not name, and is pending."""
    accounted = Accounted()
    with accounted.limits.admission() as admitted:
        assert admitted(STRANGER.labels) == STRANGER.labels
    accounted.claim(STRANGER)
    accounted.answer(STRANGER, Observation(Status.PENDING))
    return accounted


def has_its_place(accounted: Accounted) -> bool:
    """Whether the stranger's labels are told apart though there is no room for more."""
    accounted.limits.configure([LABELS], label_names=(), label_values=1, label_sets=1)
    with accounted.limits.admission() as admitted:
        return admitted(STRANGER.labels) == STRANGER.labels


def test_a_task_counts_as_followed_with_its_first_answer() -> None:
    accounted = Accounted()
    accounted.claim(BY_ID)
    for status in (Status.PENDING, Status.PENDING, Status.UNKNOWN):
        accounted.answer(BY_ID, Observation(status))
    assert [families(entry) for _, entry in accounted.books.recorded] == [
        set(),
        {"bytespike_tasks_followed_total"},
        set(),
    ]


def test_a_task_that_only_comes_and_goes_takes_no_labels_for_good() -> None:
    accounted = followed_by_a_stranger()
    assert families(accounted.last) == set()
    assert not has_its_place(accounted)


@pytest.mark.parametrize("later", [Status.RUNNING, Status.CANCELLED])
def test_under_new_labels_it_counts_as_followed_with_its_start_or_its_end(later: Status) -> None:
    accounted = followed_by_a_stranger()
    accounted.answer(STRANGER, Observation(later))
    assert "bytespike_tasks_followed_total" in families(accounted.last)
    assert has_its_place(accounted)


def test_labels_of_the_configuration_keep_their_place_once_a_task_counts_as_followed() -> None:
    accounted = Accounted()
    accounted.claim(BY_ID)
    accounted.answer(BY_ID, Observation(Status.PENDING))
    accounted.limits.configure([structs.replace(LABELS, model="another")], label_names=(), label_values=0, label_sets=0)
    with accounted.limits.admission() as admitted:
        assert admitted(LABELS) == LABELS


def test_an_end_is_counted_and_told_once() -> None:
    accounted = Accounted()
    accounted.claim(BY_ID)
    for _ in range(2):
        accounted.answer(BY_ID, Observation(Status.FAILED, error_code="boom", credits_used=2.0))
    assert len(accounted.books.recorded) == 2
    assert accounted.last.ended
    assert {"bytespike_tasks_finished_total", "bytespike_tasks_failed_total"} <= families(accounted.last)
    [line] = accounted.lines.calls
    told = line.kwargs
    assert (told["event"], told["task_id"], told["status"], told["error_code"]) == ("task_ended", "t", "failed", "boom")


def test_error_codes_beyond_the_limit_are_counted_as_other() -> None:
    accounted = Accounted(codes=2)
    codes = []
    for number in range(4):
        item = Item(TaskRef("a", f"t{number}"), LABELS)
        accounted.claim(item)
        accounted.answer(item, Observation(Status.FAILED, error_code=f"code-{number}"))
        codes += [
            dict(series.labels)["error_code"]
            for series in counted(accounted.last)
            if series.family == "bytespike_tasks_failed_total"
        ]
    assert codes == ["code-0", "code-1", "other", "other"]


def test_who_is_gone_is_forgotten() -> None:
    accounted = Accounted()
    change = accounted.claim(BY_ID)
    accounted.accounting.take(Change(ChangeKind.DROPPED, change.task, is_news=True))
    assert accounted.books.forgotten == [change.task.number]
    assert len(accounted.books.recorded) == 1


def test_of_two_names_of_one_task_the_later_joins_the_other_which_is_recorded_with_both() -> None:
    accounted = Accounted()
    first, second = accounted.claim(BY_ID), accounted.claim(BY_OUT_ID)
    accounted.answer(BY_ID, Observation(Status.RUNNING, task_id="t", out_task_id="o"))
    assert accounted.books.joined == [(second.task.number, first.task.number)]
    number, entry = accounted.books.recorded[-1]
    assert (number, entry.state.ref) == (first.task.number, TaskRef("a", "t", "o"))


def test_what_the_exporter_does_is_metered() -> None:
    books = Books()
    accounting = ExporterAccounting(books.meter)
    accounting.polled("a", lag=0.1)
    accounting.request_finished("a", "query", seconds=0.2, failure=Reason.TIMEOUT, drift=[Drift.UNKNOWN_STATUS])
    accounting.refresh_failed("g", "file_sd")
    accounting.labels_refused({Limit.LABEL_VALUES: 3, Limit.LABEL_SETS: 1})
    totals = {name: by for name, by in books.metered.items() if name.split()[0].endswith("_total")}
    assert totals == {
        "bytespike_api_requests_total": 1,
        "bytespike_api_request_failures_total": 1,
        "bytespike_api_schema_drift_total": 1,
        "bytespike_exporter_sd_refresh_failures_total": 1,
        "bytespike_exporter_label_values_overflowed_total label_values": 3,
        "bytespike_exporter_label_values_overflowed_total label_sets": 1,
    }


def test_a_poll_before_its_time_is_not_late() -> None:
    books = Books()
    accounting = ExporterAccounting(books.meter)
    accounting.polled("a", lag=-20.0)
    accounting.polled("a", lag=0.5)
    increments = Increments()
    accounting.flush_into(increments)
    assert sum(by for series, by in increments.items() if series.part == SUM) == 0.5


def test_requests_that_may_come_start_at_0() -> None:
    books = Books()
    ExporterAccounting(books.meter).foresee_requests("a", "stream")
    assert books.metered["bytespike_api_requests_total"] == 0
    assert "bytespike_api_requests_total" in books.metered


def test_a_flush_looks_at_what_has_counted_something_and_at_nothing_else() -> None:
    """Of a thousand accounts, each flushes with each commit of any."""
    accounting = ExporterAccounting(lambda _: None)
    for number in range(100):
        accounting.polled(f"account-{number}", lag=0.1)
        accounting.request_finished(f"account-{number}", "tasks/query", seconds=0.1, failure=None, drift=())
        accounting.proxied(f"account-{number}", "tasks/query", "200", seconds=0.1)
    accounting.flush_into(everything := Increments())
    assert {dict(series.labels)["account"] for series in everything} == {f"account-{number}" for number in range(100)}

    accounting.polled("account-7", lag=0.1)
    with patch.object(LocalHistogram, "flush_into", autospec=True, side_effect=LocalHistogram.flush_into) as flushed:
        accounting.flush_into(some := Increments())
        accounting.flush_into(Increments())
    assert flushed.call_count == 1
    assert {dict(series.labels)["account"] for series in some} == {"account-7"}
