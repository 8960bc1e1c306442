import pytest
from msgspec.structs import replace
from ulid import ULID

from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Output, Status
from exporter.tasks.state import Step, Submission, TaskState, begin, merge, miss, observe, told, with_ref

T0 = 1_780_000_000.0
LABELS = TaskLabels("a", "g")
GRACE = 120.0


def seen_first(*, submitted_at: float | None = None, task_id: str | None = "t", out: str | None = None) -> TaskState:
    return begin(Item(TaskRef("a", task_id, out), LABELS, submitted_at), now=T0)


def answers(state: TaskState, *seen: tuple[float, Observation]) -> list[Step]:
    steps = []
    for after, observation in seen:
        steps.append(observe(state, observation, now=T0 + after))
        state = steps[-1].state
    return steps


PENDING = Observation(Status.PENDING, estimated_credits=1.5, estimated_seconds=35)
RUNNING = Observation(Status.RUNNING, estimated_credits=1.5, estimated_seconds=35)
COMPLETED = Observation(Status.COMPLETED, credits_used=1.47, outputs=(Output("video", 8),))
FAILED = Observation(Status.FAILED, error_code="content_policy_violation")
CANCELLED = Observation(Status.CANCELLED, credits_used=0.4, estimated_seconds=35)
STRANGE = Observation(Status.UNKNOWN)


def test_a_task_begins_unobserved_at_its_first_sight() -> None:
    state = seen_first()

    assert (state.status, state.submitted_at, state.submission) == (Status.UNOBSERVED, T0, Submission.FIRST_SIGHT)


def test_the_documented_life_of_a_task_is_counted_once() -> None:
    queued, started, ended = answers(seen_first(), (1, PENDING), (5, RUNNING), (40, COMPLETED))

    assert (queued.queue_seconds, started.queue_seconds, ended.queue_seconds) == (None, 5.0, None)
    assert (queued.outcome, started.outcome) == (None, None)
    assert ended.outcome is not None
    assert ended.outcome.duration == 40.0
    assert ended.outcome.gap == 35.0
    assert ended.outcome.eta_ratio == pytest.approx(40 / 35)
    assert (ended.outcome.credits_used, ended.outcome.credits_estimated) == (1.47, 1.5)
    assert ended.outcome.outputs == (Output("video", 8),)


@pytest.mark.parametrize("last", [COMPLETED, FAILED, CANCELLED])
@pytest.mark.parametrize("later", [PENDING, RUNNING, COMPLETED, FAILED, CANCELLED, STRANGE])
def test_a_terminal_state_is_final(last: Observation, later: Observation) -> None:
    ended, after = answers(seen_first(), (1, last), (2, later))

    assert after == Step(ended.state)
    assert miss(ended.state, now=T0 + 999, grace=0) == Step(ended.state)


@pytest.mark.parametrize(("last", "used"), [(COMPLETED, 1.47), (CANCELLED, 0.4), (FAILED, None)])
def test_credits_are_read_in_every_terminal_state(last: Observation, used: float | None) -> None:
    (step,) = answers(seen_first(), (1, last))

    assert step.outcome is not None
    assert (step.outcome.credits_used, step.state.credits_used) == (used, used)


def test_a_status_not_known_is_shown_and_followed_on() -> None:
    strange, running = answers(seen_first(), (1, STRANGE), (2, RUNNING))

    assert (strange.state.status, strange.outcome) == (Status.UNKNOWN, None)
    assert running.queue_seconds == 2.0


def test_a_task_first_seen_ended_has_an_outcome_but_no_duration() -> None:
    (step,) = answers(seen_first(), (1, COMPLETED))

    assert step.outcome is not None
    assert (step.outcome.duration, step.outcome.eta_ratio, step.outcome.gap) == (None, None, None)
    assert step.state.duration is None


def test_a_task_first_seen_running_has_no_queue_time() -> None:
    (step,) = answers(seen_first(), (1, RUNNING))

    assert step.queue_seconds is None
    assert step.state.running_at == T0 + 1


@pytest.mark.parametrize("last", [COMPLETED, FAILED, CANCELLED])
def test_a_source_that_knows_the_submission_makes_durations_trustworthy(last: Observation) -> None:
    (step,) = answers(seen_first(submitted_at=T0 - 60), (1, last))

    assert step.outcome is not None
    assert step.outcome.duration == 61.0


def test_a_ulid_makes_durations_trustworthy_but_a_source_knows_better() -> None:
    ulid = f"task_{ULID.from_timestamp(T0 - 30)}"

    assert seen_first(task_id=ulid).submission is Submission.ULID
    assert seen_first(task_id=ulid).submitted_at == pytest.approx(T0 - 30, abs=0.001)
    assert seen_first(task_id=ulid, submitted_at=T0 - 20).submitted_at == T0 - 20


def test_a_task_id_learnt_later_may_tell_the_submission() -> None:
    ulid = f"task_{ULID.from_timestamp(T0 - 30)}"
    state = with_ref(seen_first(task_id=None, out="x"), TaskRef("a", ulid))

    assert (state.ref, state.submission) == (TaskRef("a", ulid, "x"), Submission.ULID)


def test_what_a_source_says_late_does_not_rewrite_an_ended_task() -> None:
    (ended,) = answers(seen_first(), (1, COMPLETED))

    assert told(ended.state, Item(TaskRef("a", "t"), LABELS, submitted_at=T0 - 999)) == ended.state


@pytest.mark.parametrize("eta", [None, 0, -3])
def test_an_eta_that_says_nothing_keeps_the_last_one(eta: float | None) -> None:
    _, later = answers(seen_first(), (1, PENDING), (2, Observation(Status.PENDING, estimated_seconds=eta)))

    assert later.state.eta_seconds == 35


def test_a_clock_that_steps_back_makes_no_negative_duration() -> None:
    _, started, ended = answers(seen_first(), (1, PENDING), (-50, RUNNING), (-99, COMPLETED))

    assert started.queue_seconds == 0.0
    assert ended.outcome is not None
    assert (ended.outcome.duration, ended.outcome.gap) == (0.0, 0.0)


def test_404s_within_the_grace_do_not_count() -> None:
    state = seen_first()
    for after in range(0, 119, 2):
        state = miss(state, now=T0 + after, grace=GRACE).state

    assert (state.status, state.misses) == (Status.UNOBSERVED, 0)


def test_three_404s_in_a_row_after_the_grace_end_a_task() -> None:
    steps = []
    state = seen_first()
    for after in (120, 130, 140, 150):
        steps.append(miss(state, now=T0 + after, grace=GRACE))
        state = steps[-1].state

    assert [step.outcome is not None for step in steps] == [False, False, True, False]
    assert (state.status, state.finished_at) == (Status.NOT_FOUND, T0 + 140)


def test_an_answer_between_404s_begins_the_count_again() -> None:
    state = seen_first()
    for after in (120, 130):
        state = miss(state, now=T0 + after, grace=GRACE).state
    state = observe(state, RUNNING, now=T0 + 135).state
    state = miss(state, now=T0 + 140, grace=GRACE).state

    assert (state.status, state.misses) == (Status.RUNNING, 1)


def test_merging_keeps_the_best_of_both() -> None:
    early = replace(seen_first(task_id=None, out="x"), first_seen_at=T0 - 10, submitted_at=T0 - 10)
    late = observe(seen_first(submitted_at=T0 - 5), PENDING, now=T0 + 1).state

    for merged in (merge(early, late), merge(late, early)):
        assert merged.ref == TaskRef("a", "t", "x")
        assert (merged.submitted_at, merged.submission) == (T0 - 5, Submission.SOURCE)
        assert merged.first_seen_at == T0 - 10
        assert (merged.status, merged.eta_seconds, merged.open_at) == (Status.PENDING, 35, T0 + 1)


def test_merging_with_an_ended_task_ends_it() -> None:
    ended = answers(seen_first(), (1, COMPLETED))[0].state
    running = answers(seen_first(task_id=None, out="x"), (2, RUNNING))[0].state

    for merged in (merge(ended, running), merge(running, ended)):
        assert (merged.status, merged.ref, merged.credits_used) == (Status.COMPLETED, TaskRef("a", "t", "x"), 1.47)
