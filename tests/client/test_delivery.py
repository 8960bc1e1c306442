"""When what waits is sent, again or for the last time; by a scripted exporter, and no time passes."""

import logging
from collections.abc import Sequence

import pytest

from exporter.client.backlog import Backlog, Waiting
from exporter.client.counts import Counts
from exporter.client.delivery import AT_ONCE, LONGEST_PAUSE, PACE, PATIENCE, TELL_EVERY, Delivery
from exporter.client.posting import Answer, Outcome

TAKEN = Answer(Outcome.REGISTERED)
LATER = Answer(Outcome.LATER, "answered 503")


class Rig:
    """A delivery whose exporter answers from a list, and then with success."""

    def __init__(self, *answers: Answer, waiting: int = 1, most: int = 10_000) -> None:
        self.now = 1000.0
        self.answers = list(answers)
        self.sent: list[list[str]] = []
        self.backlog = Backlog(most=most, monotonic=lambda: self.now)
        self.delivery = Delivery(
            self.backlog,
            self.post,
            logging.getLogger("exporter.client"),
            name="http://exporter:9877",
            monotonic=lambda: self.now,
            random=lambda: 1.0,
        )
        self.add(waiting)

    def post(self, tasks: Sequence[Waiting]) -> Answer:
        self.sent.append([task.task_id for task in tasks])
        return self.answers.pop(0) if self.answers else TAKEN

    def add(self, count: int) -> None:
        start = self.backlog.counts.waiting
        for number in range(start, start + count):
            self.backlog.add(Waiting(f"task_{number}", None, self.now, self.now))

    def steps(self, count: int) -> list[float]:
        """The pauses after so many steps, each waited for."""
        pauses = []
        for _ in range(count):
            pauses.append(self.delivery.step())
            self.now += pauses[-1]
        return pauses


def test_what_waits_goes_together_and_so_many_at_once() -> None:
    rig = Rig(waiting=AT_ONCE + 50)
    assert rig.steps(2) == [PACE, PACE]
    assert [len(tasks) for tasks in rig.sent] == [AT_ONCE, 50]
    assert rig.backlog.counts == Counts(registered=AT_ONCE + 50)


def test_it_is_tried_again_later_each_time_and_soon_again_after_a_success() -> None:
    rig = Rig(*[LATER] * 9)
    assert rig.steps(9) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, *[LONGEST_PAUSE] * 3]
    assert rig.steps(1) == [PACE]
    rig.answers = [LATER]
    rig.add(1)
    assert rig.steps(1) == [0.5]


def test_no_two_come_back_in_step() -> None:
    rig = Rig(LATER, LATER)
    rig.delivery._random = lambda: 0.0
    assert rig.steps(2) == [0.25, 0.5]


def test_the_exporter_says_how_much_later() -> None:
    assert Rig(Answer(Outcome.LATER, after=60.0)).steps(1) == [60.0]
    assert Rig(Answer(Outcome.LATER, after=0.1)).steps(1) == [0.5]


def test_the_tries_for_a_task_come_to_an_end() -> None:
    rig = Rig(*[LATER] * 1000)
    rig.steps(100)
    assert rig.backlog.counts == Counts(expired=1)
    assert len(rig.sent) < 30
    assert rig.now - 1000 < PATIENCE + LONGEST_PAUSE + 1


def test_what_is_at_fault_goes_and_the_others_are_sent_again() -> None:
    rig = Rig(Answer(Outcome.REFUSED, "answered 422", {1}), waiting=3)
    assert rig.steps(2) == [PACE, PACE]
    assert rig.sent[1] == ["task_0", "task_2"]
    assert rig.backlog.counts == Counts(registered=2, refused=1)


def test_where_it_is_not_said_which_one_all_go() -> None:
    rig = Rig(Answer(Outcome.REFUSED, "answered 400"), waiting=3)
    rig.steps(1)
    assert rig.backlog.counts == Counts(refused=3)


def test_refusals_that_name_nobody_who_was_sent_do_not_last_for_ever() -> None:
    rig = Rig(*[Answer(Outcome.REFUSED, "answered 422", {99})] * 1000, waiting=3)
    rig.steps(5)
    assert rig.backlog.counts == Counts(refused=3)


def test_too_much_at_once_becomes_less() -> None:
    rig = Rig(Answer(Outcome.TOO_LARGE), Answer(Outcome.TOO_LARGE), waiting=8)
    rig.steps(6)
    assert [len(tasks) for tasks in rig.sent] == [8, 4, 2, 2, 2, 2]
    assert rig.backlog.counts == Counts(registered=8)


def test_one_that_is_too_large_alone_is_given_up() -> None:
    rig = Rig(Answer(Outcome.TOO_LARGE, "answered 413"), waiting=1)
    rig.steps(1)
    assert rig.backlog.counts == Counts(refused=1)


def test_at_the_end_it_is_tried_once_more_and_no_longer() -> None:
    rig = Rig(*[LATER] * 10, waiting=1)
    rig.backlog.close()
    rig.delivery.run()
    assert len(rig.sent) == 1
    assert rig.backlog.counts == Counts(expired=1)


def test_at_the_end_all_that_waits_is_sent() -> None:
    rig = Rig(waiting=3 * AT_ONCE)
    rig.backlog.close()
    rig.delivery.run()
    assert rig.backlog.counts == Counts(registered=3 * AT_ONCE)


def test_what_is_lost_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(*[Answer(Outcome.REFUSED, "answered 422: group: is needed")] * 1000, waiting=0)
    for _ in range(100):
        rig.add(3)
        rig.steps(1)
    assert rig.now < 1000 + TELL_EVERY
    [line] = caplog.messages
    assert line == (
        "tasks that the exporter at http://exporter:9877 does not know of: 3 more are lost, 0 wait; since the start: "
        "0 overflowed, 3 refused, 0 expired, 0 unread; last fault: answered 422: group: is needed"
    )
    rig.now += TELL_EVERY
    rig.add(3)
    rig.steps(1)
    assert "300 more are lost" in caplog.messages[-1]


def test_it_is_said_that_tasks_wait_for_an_exporter_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(*[LATER] * 3, waiting=2)
    rig.steps(3)
    assert len(caplog.messages) == 1
    assert "0 more are lost, 2 wait" in caplog.messages[0]


def test_where_all_goes_well_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(waiting=250)
    rig.steps(4)
    rig.delivery.tell()
    assert caplog.messages == []
