"""What a step of the clock does to tasks: nothing is measured across it, and their times are put right."""

import pytest

from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import Submission, TaskState
from exporter.tasks.tracker import Change, ChangeKind, Tracker

LABELS = TaskLabels("a", "g")
REF = TaskRef("a", "t")
NOW = 1_780_000_000.0
HOURS = 7200.0
PENDING, RUNNING = Observation(Status.PENDING), Observation(Status.RUNNING, estimated_seconds=30.0)
COMPLETED = Observation(Status.COMPLETED)


def tracking(**rules: float) -> Tracker:
    return Tracker(Rules(**{"retention": 1000.0, "not_found_grace": 100.0} | rules))  # type: ignore[arg-type]


def follow(tracker: Tracker, *, now: float = NOW, ref: TaskRef = REF, submitted_at: float | None = None) -> None:
    tracker.claim("s", Item(ref, LABELS, submitted_at), now=now)


def answer(tracker: Tracker, observation: Observation, now: float) -> Change:
    (change,) = tracker.observe(REF, observation, now=now)
    return change


def test_nothing_is_measured_of_what_begins_in_the_future_though_nobody_told_of_a_step() -> None:
    tracker = tracking()
    follow(tracker)
    answer(tracker, PENDING, NOW - HOURS)
    assert answer(tracker, RUNNING, NOW + 4).queue_seconds is None
    (ended,) = tracker.observe(REF, COMPLETED, now=NOW + 9)
    assert ended.outcome is not None
    assert ended.outcome.duration is None


@pytest.mark.parametrize("by", [HOURS, -HOURS])
@pytest.mark.parametrize("submitted_at", [None, NOW - 2])
def test_what_was_open_across_a_step_has_a_gap_but_no_duration(by: float, submitted_at: float | None) -> None:
    tracker = tracking()
    follow(tracker, submitted_at=submitted_at)
    answer(tracker, PENDING, NOW + 1)
    tracker.step_clock(by=by, now=NOW + by + 2)
    started = answer(tracker, RUNNING, NOW + by + 4)
    assert started.queue_seconds is None
    assert started.is_news, "a restart must not take it for measured"
    ended = answer(tracker, COMPLETED, NOW + by + 9)
    assert ended.outcome is not None
    assert (ended.outcome.duration, ended.outcome.eta_ratio) == (None, None)
    assert ended.outcome.gap == pytest.approx(5.0)


def test_the_gap_across_a_step_is_that_which_passed() -> None:
    tracker = tracking()
    follow(tracker)
    answer(tracker, RUNNING, NOW + 1)
    tracker.step_clock(by=HOURS, now=NOW + HOURS + 2)
    outcome = answer(tracker, COMPLETED, NOW + HOURS + 4).outcome
    assert outcome is not None
    assert outcome.gap == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("by", "submitted_at", "first_seen_at", "is_measured"),
    [
        (HOURS, NOW - 5, NOW + HOURS + 1, False),  # submitted before the step, by the old clock
        (HOURS, NOW + HOURS - 5, NOW + HOURS + 1, False),  # by another that was right
        (HOURS, NOW + HOURS + 1, NOW + HOURS + 2, True),  # after it
        (-HOURS, NOW - 5, NOW - HOURS + 1, False),  # two hours from now
        (-HOURS, NOW - HOURS + 1, NOW - HOURS + 2, True),
    ],
)
def test_a_step_between_submission_and_first_sight(
    by: float, submitted_at: float, first_seen_at: float, *, is_measured: bool
) -> None:
    tracker = tracking()
    tracker.step_clock(by=by, now=NOW + by)
    follow(tracker, now=first_seen_at, submitted_at=submitted_at)
    outcome = answer(tracker, COMPLETED, first_seen_at + 10).outcome
    assert outcome is not None
    assert (outcome.duration is not None) is is_measured


@pytest.mark.parametrize(
    ("steps", "seen_after", "is_measured"),
    [
        ([HOURS], HOURS + 5, False),  # ours may be two hours ahead of the clock that dates tasks
        ([HOURS], 5.0, True),  # it was behind, and is right now
        ([HOURS, -HOURS], HOURS + 5, True),  # it is as it was
        ([-HOURS], 5.0, True),
        ([30.0], 35.0, True),  # clocks may be so far apart without a step
    ],
)
def test_long_after_a_step_to_a_wrong_time_nothing_is_measured_by_two_clocks(
    steps: list[float], seen_after: float, *, is_measured: bool
) -> None:
    tracker = tracking()
    for at, by in enumerate(steps):
        tracker.step_clock(by=by, now=NOW + at + sum(steps[: at + 1]))
    now = NOW + sum(steps) + 10 * HOURS
    follow(tracker, now=now, submitted_at=now - seen_after)
    outcome = answer(tracker, COMPLETED, now + 10).outcome
    assert outcome is not None
    assert (outcome.duration is not None) is is_measured


def test_a_machine_that_believes_it_is_1970_measures_nothing_that_is_dated_by_others() -> None:
    tracker = tracking()
    follow(tracker, now=100.0, submitted_at=NOW)
    outcome = answer(tracker, COMPLETED, 130.0).outcome
    assert outcome is not None
    assert outcome.duration is None, "and not 0"


def test_the_source_cannot_take_the_doubt_away() -> None:
    tracker = tracking()
    follow(tracker)
    tracker.step_clock(by=HOURS, now=NOW + HOURS)
    follow(tracker, now=NOW + HOURS + 1, submitted_at=NOW + HOURS + 1)
    outcome = answer(tracker, COMPLETED, NOW + HOURS + 2).outcome
    assert outcome is not None
    assert outcome.duration is None


def test_the_oldest_submission_is_dated_by_the_clock_as_it_goes_now() -> None:
    tracker = tracking()
    follow(tracker, now=100.0)
    tracker.step_clock(by=NOW, now=NOW + 110)
    after, changes = tracker.redate(after=-1, limit=10, now=NOW + 110)
    assert after is not None
    assert [(change.kind, change.is_news) for change in changes] == [(ChangeKind.REDATED, True)]
    assert tracker.redate(after=after, limit=10, now=NOW + 110) == (None, [])
    assert dict(tracker.census(now=NOW + 110).oldest) == {}, "of what no answer has told of nothing is shown"
    answer(tracker, PENDING, NOW + 111)
    assert tracker.census(now=NOW + 112).oldest == {(LABELS, Status.PENDING): NOW + 100}


def test_nothing_is_overdue_because_the_clock_has_stepped() -> None:
    tracker = tracking(overdue_factor=3.0)
    follow(tracker)
    answer(tracker, RUNNING, NOW + 1)
    tracker.step_clock(by=HOURS, now=NOW + HOURS + 2)
    tracker.redate(after=-1, limit=10, now=NOW + HOURS + 2)
    assert not tracker.census(now=NOW + HOURS + 80).overdue
    assert tracker.census(now=NOW + HOURS + 100).overdue == {LABELS: 1}


@pytest.mark.parametrize("by", [HOURS, -HOURS])
def test_the_grace_of_a_task_that_is_not_known_yet_lasts_as_long_as_it_should(by: float) -> None:
    tracker = tracking()
    follow(tracker)
    tracker.step_clock(by=by, now=NOW + by + 1)
    for seconds in (2, 50, 99):
        tracker.miss(REF, now=NOW + by + seconds)
    statuses = [tracker.miss(REF, now=NOW + by + seconds)[0].task.state.status for seconds in (101, 102, 103)]
    assert statuses == [Status.UNOBSERVED, Status.UNOBSERVED, Status.NOT_FOUND]


@pytest.mark.parametrize("by", [30 * 86400.0, -30 * 86400.0])
def test_what_has_ended_is_shown_for_as_long_as_it_should(by: float) -> None:
    tracker = tracking(retention=1000.0)
    follow(tracker)
    answer(tracker, COMPLETED, NOW + 1)
    tracker.step_clock(by=by, now=NOW + by + 2)
    shown = [sum(tracker.census(now=NOW + by + seconds).counts.values()) for seconds in (2, 990)]
    tracker.redate(after=-1, limit=10, now=NOW + by + 990)
    assert shown == [1, 1]
    assert tracker.census(now=NOW + by + 1002).counts == {}


def test_an_answer_that_says_the_same_finds_a_task_with_its_times_put_right() -> None:
    tracker = tracking()
    follow(tracker)
    answer(tracker, PENDING, NOW + 1)
    assert tracker.take(REF, PENDING, now=NOW + 2) == 0
    tracker.step_clock(by=HOURS, now=NOW + HOURS + 3)
    taken = tracker.take(REF, PENDING, now=NOW + HOURS + 4)
    assert isinstance(taken, list), "there is news in it"
    view = taken[0].task
    assert view.state.first_seen_at == NOW + HOURS
    assert [change.at for change in view.history] == [NOW + HOURS + 1]
    assert tracker.take(REF, PENDING, now=NOW + HOURS + 5) == 0


def test_what_is_remembered_of_the_future_is_doubted_and_dated_now() -> None:
    """The process was down while the clock went back."""
    tracker = tracking()
    state = TaskState(REF, NOW + 500, NOW + 500, Submission.ULID, Status.RUNNING, NOW + 510, NOW + 510, NOW + 505)
    change = tracker.claim("s", Item(REF, LABELS), now=NOW, remembered=state)
    assert change is not None
    known = change.task.state
    assert (known.submission, known.first_seen_at, known.open_at, change.is_news) == (
        Submission.IN_DOUBT,
        NOW,
        NOW,
        True,
    )
    outcome = answer(tracker, COMPLETED, NOW + 10).outcome
    assert outcome is not None
    assert (outcome.duration, outcome.gap) == (None, 10.0)


def test_an_end_that_is_remembered_of_the_future_is_shown_for_the_retention() -> None:
    tracker = tracking(retention=1000.0)
    state = TaskState(REF, NOW, NOW, Submission.ULID, Status.COMPLETED, finished_at=NOW + 86400, duration=5.0)
    tracker.claim("s", Item(REF, LABELS), now=NOW, remembered=state)
    assert tracker.census(now=NOW + 1001).counts == {}


def test_two_names_of_one_task_are_merged_with_the_doubt_of_either() -> None:
    tracker = tracking()
    follow(tracker)
    tracker.step_clock(by=HOURS, now=NOW + HOURS)
    tracker.claim("s", Item(TaskRef("a", None, "o"), LABELS, NOW + HOURS + 1), now=NOW + HOURS + 2)
    tracker.observe(REF, Observation(Status.RUNNING, "t", "o"), now=NOW + HOURS + 3)
    (change,) = tracker.observe(REF, COMPLETED, now=NOW + HOURS + 4)
    assert change.outcome is not None
    assert change.outcome.duration is None
