"""The lines of a pipe: one whenever something has changed, and none when nothing has."""

from exporter.watch.lines import Lines
from tests.watch.overviews import NOW, overview, task


def test_at_first_how_it_stands_and_what_has_failed() -> None:
    found = overview(task("good", "completed"), task("bad", "failed", error_code="nope"), credits_used=1.5)
    bad = "status=failed task_id=bad account=default group=renders model=sora-2 error_code=nope"
    assert list(Lines().of(found)) == [
        f"ts=2026-11-27T20:00:00Z event=task {bad}",
        "ts=2026-11-27T20:00:00Z event=tasks followed=2 completed=1 failed=1 credits_used=1.50 overdue=0",
    ]


def test_then_only_what_has_changed() -> None:
    lines = Lines()
    list(lines.of(overview(task("a", "running"))))
    assert list(lines.of(overview(task("a", "running")))) == []
    told = list(lines.of(overview(task("a", "completed", credits_used=1.47))))
    assert [line.split(" ", 3)[1:3] for line in told] == [
        ["event=task", "status=completed"],
        ["event=tasks", "followed=1"],
    ]
    assert "credits_used=1.47" in told[0]


def test_an_exporter_that_goes_and_comes_back_is_told_once_each() -> None:
    lines, found = Lines(), overview(task("a"))
    list(lines.of(found))
    gone = [*lines.fault("no connection", NOW.timestamp()), *lines.fault("no connection", NOW.timestamp())]
    assert gone == ['ts=2026-11-27T20:00:00Z event=no_answer reason="no connection"']
    assert list(lines.of(found)) == ["ts=2026-11-27T20:00:00Z event=answers_again"]


def test_an_account_that_falls_silent_and_answers_again() -> None:
    lines = Lines()
    told = [line for silent in ({}, {"a": "payment"}, {}) for line in lines.of(overview(task("t"), silent=silent))]
    assert [line.partition("event=account ")[2] for line in told if "event=account" in line] == [
        "account=a state=payment",
        "account=a state=answers",
    ]


def test_a_name_neither_begins_a_line_nor_paints() -> None:
    found = overview(task('x\nts=now event=task status=completed "\x1b[2J', "failed"))
    told = list(Lines().of(found))
    assert len(told) == 2
    assert all(line.isprintable() for line in told)
