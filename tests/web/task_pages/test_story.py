"""What became of a task, in the order in which it was observed."""

import pytest
from msgspec.structs import replace

from exporter.polling.poller import Miss, Outlook
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState
from exporter.tasks.view import StatusChange, TaskView
from exporter.web.task_pages.story import events, outlook_of
from tests.support.fake_exporter import NOW, task_view

STATE = TaskState(
    TaskRef("main", task_id="t"),
    first_seen_at=NOW - 90,
    submitted_at=NOW - 100,
    submission=Submission.ULID,
    status=Status.RUNNING,
    observed_at=NOW - 5,
    running_at=NOW - 60,
    eta_seconds=120.0,
    credits_estimated=1.5,
)
SEEN = (StatusChange(NOW - 80, Status.PENDING), StatusChange(NOW - 60, Status.RUNNING))
RUNNING = replace(task_view(0), state=STATE, earlier=SEEN)


def told(task: TaskView, outlook: Outlook | None = None) -> list[tuple[str, str, str]]:
    return [(event.what.words, event.after, event.remark) for event in events(task, outlook, now=NOW)]


def test_an_open_task() -> None:
    assert told(RUNNING) == [
        ("submitted", "", "read from its task_id"),
        ("followed", "10 s later", "named by renders/static/0"),
        ("pending", "10 s later", ""),
        ("running", "20 s later", ""),
        ("answered last: running", "55 s later", "estimated to take 120 s and 1.50 credits"),
    ]


def test_a_task_that_has_ended() -> None:
    ended = replace(
        STATE, status=Status.FAILED, finished_at=NOW - 5, duration=95.0, error_code="nsfw", credits_estimated=None
    )
    history = (*SEEN, StatusChange(NOW - 5, Status.FAILED))
    assert told(replace(RUNNING, state=ended, earlier=history))[3:] == [
        ("running", "20 s later", ""),
        ("failed", "55 s later", "after 1 min 35 s, nsfw"),
    ]


def test_what_an_earlier_process_saw_is_remembered() -> None:
    ended = replace(STATE, status=Status.COMPLETED, finished_at=NOW - 5, duration=95.0, credits_used=1.47)
    assert told(replace(RUNNING, state=ended, earlier=()))[2:] == [
        ("running", "30 s later", "remembered"),
        ("completed", "55 s later", "remembered after 1 min 35 s, 1.47 credits"),
    ]


def test_queries_that_fail_and_answers_that_do_not_know_it() -> None:
    missed = replace(RUNNING, state=replace(STATE, misses=2))
    outlook = Outlook(4.0, failures=3, last_miss=Miss(NOW - 1, "timeout: no answer within 10 s"))
    assert told(missed, outlook)[-2:] == [
        ("not known to the API, 2 times in a row", "0 s later", ""),
        ("a query failed", "4 s later", "timeout: no answer within 10 s"),
    ]
    assert outlook_of(STATE, outlook, None) == (
        "Next poll: in 4 s. 3 queries in a row have failed, so it is asked less often."
    )


@pytest.mark.parametrize("submission", Submission)
def test_how_the_submission_is_known_is_always_said(submission: Submission) -> None:
    assert told(replace(RUNNING, state=replace(STATE, submission=submission)))[0][2]


def test_a_task_of_which_nothing_is_known_yet() -> None:
    assert [what for what, _, _ in told(task_view(0))] == ["submitted", "followed"]


def test_nothing_comes_after_the_end() -> None:
    ended = replace(STATE, status=Status.COMPLETED, finished_at=NOW)
    assert outlook_of(ended, None, "payment") == "It has ended: nothing is asked about it any more."
