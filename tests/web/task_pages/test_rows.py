"""One task in words: its progress, its credits, and when it is asked about next."""

import pytest
from msgspec.structs import replace

from exporter.polling.poller import Outlook
from exporter.tasks.identity import TaskRef
from exporter.tasks.observation import Status
from exporter.tasks.state import Submission, TaskState
from exporter.web.task_pages.rows import Bar, credits_of, link_to, next_poll, progress, row
from exporter.web.wording import Mood, State, moment_at
from tests.support.fake_exporter import NOW, task_view

RUNNING = TaskState(
    TaskRef("main", task_id="t"),
    first_seen_at=NOW - 59,
    submitted_at=NOW - 60,
    submission=Submission.ULID,
    status=Status.RUNNING,
    observed_at=NOW - 3,
    eta_seconds=40.0,
    credits_estimated=1.5,
)
DONE = replace(RUNNING, status=Status.COMPLETED, finished_at=NOW, duration=30.0, credits_used=1.47)


@pytest.mark.parametrize(
    ("state", "words", "bar"),
    [
        (RUNNING, "1 min 0 s of 40 s", Bar(75.0, "partly")),
        (replace(RUNNING, eta_seconds=None), "1 min 0 s", None),
        (replace(RUNNING, eta_seconds=120.0), "1 min 0 s of 2 min 0 s", Bar(25.0, "open")),
        (replace(RUNNING, eta_seconds=10.0), "1 min 0 s of 10 s (6 times)", Bar(100.0, "partly")),
        (replace(RUNNING, submitted_at=NOW + 60), "0 s of 40 s", Bar(0.0, "open")),
        (DONE, "30 s of 40 s", Bar(37.5, "other")),
        (replace(DONE, duration=1.25), "1.25 s of 40 s", Bar(1.5625, "other")),
        (replace(DONE, duration=None), "not known", None),
    ],
)
def test_age_against_eta(state: TaskState, words: str, bar: Bar | None) -> None:
    shown = progress(state, now=NOW, is_overdue=False)
    assert (shown.words, shown.bar) == (words, bar)


def test_what_is_overdue_is_bad() -> None:
    bar = progress(RUNNING, now=NOW, is_overdue=True).bar
    assert bar is not None
    assert bar.kind == "bad"


@pytest.mark.parametrize(
    ("state", "words", "is_estimate"),
    [(RUNNING, "1.50", True), (DONE, "1.47", False), (replace(RUNNING, credits_used=0.0), "0.00", False)],
)
def test_credits_are_those_used_or_an_estimate(state: TaskState, words: str, *, is_estimate: bool) -> None:
    amount = credits_of(state)
    assert amount is not None
    assert (amount.words, amount.is_estimate) == (words, is_estimate)


@pytest.mark.parametrize("state", [replace(DONE, credits_used=None), replace(RUNNING, credits_estimated=None)])
def test_an_estimate_of_what_has_ended_says_nothing(state: TaskState) -> None:
    assert credits_of(state) is None


@pytest.mark.parametrize(
    ("outlook", "held", "words"),
    [
        (Outlook(3.4), None, "in 3 s"),
        (Outlook(0.0), None, "in 0 s"),
        (Outlook(-0.5), None, "in 0 s"),
        (Outlook(-75.0), None, "late by 1 min 15 s"),
        (Outlook(None, is_asked=True), None, "being asked"),
        (Outlook(None, is_asked=True), "payment", "being asked"),
        (Outlook(3.0), "payment", "held back: payment"),
        (Outlook(300.0, is_streamed=True), None, "streamed"),
        (Outlook(None), None, "not planned"),
        (None, None, "not planned"),
    ],
)
def test_the_next_poll(outlook: Outlook | None, held: str | None, words: str) -> None:
    assert next_poll(RUNNING, outlook, held) == words
    assert next_poll(DONE, outlook, held) == ""


def test_the_link_of_a_task_leads_to_it_alone() -> None:
    task = replace(task_view(0), state=replace(RUNNING, ref=TaskRef("main", task_id="a/b?c#d%2Fé")))
    assert link_to(task) == "tasks/a%2Fb%3Fc%23d%252F%C3%A9"
    assert link_to(task, "x&y") == "tasks/a%2Fb%3Fc%23d%252F%C3%A9?account=x%26y"


def test_a_time_beyond_the_calendar_is_no_fault() -> None:
    task = replace(task_view(0), state=replace(RUNNING, submitted_at=1e18))
    assert row(task, None, now=NOW, is_overdue=False).submitted.utc == "beyond the calendar"


def test_a_task_that_ended_before_this_start_was_answered_when_it_ended() -> None:
    task = replace(task_view(0), state=replace(DONE, observed_at=None))
    assert row(task, None, now=NOW + 9, is_overdue=False).asked == moment_at(NOW, NOW + 9)


def test_a_status_that_was_not_understood_is_bad() -> None:
    task = replace(task_view(0), state=replace(RUNNING, status=Status.UNKNOWN))
    assert row(task, None, now=NOW, is_overdue=False).status == State("unknown", Mood.BAD)
