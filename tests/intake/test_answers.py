"""Which answers are kept as they came: few, the latest, those of failures the longest."""

import pytest

from exporter.intake.answers import LONGEST, MOST, MOST_BYTES, LastAnswers
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Said, Status
from exporter.tasks.tracker import Change, Tracker

LABELS = TaskLabels("main", "renders")


class Rig:
    """A tracker whose changes the answers are told of."""

    def __init__(self) -> None:
        self.answers = LastAnswers()
        self.tracker = Tracker(Rules())
        self.now = 1000.0

    def follow(self, name: str) -> int:
        change = self.tracker.claim("source", Item(ref(name), LABELS), now=self.now)
        assert change is not None
        self.answers.take(change)
        return change.task.number

    def answer(self, name: str, status: Status, said: bytes = b"{}") -> None:
        self.now += 1
        for change in self.tracker.observe(ref(name), Observation(status, said=Said(said)), now=self.now):
            self.answers.take(change)

    def said(self, number: int) -> bytes | None:
        answer = self.answers.get(number)
        return answer.said.text if answer and answer.said else None


def ref(name: str) -> TaskRef:
    return TaskRef("main", task_id=name)


def test_the_last_one_stays_with_its_time() -> None:
    rig = Rig()
    number = rig.follow("t")
    assert rig.answers.get(number) is None
    rig.answer("t", Status.PENDING, b"first")
    rig.answer("t", Status.RUNNING, b"second")
    answer = rig.answers.get(number)
    assert answer is not None
    assert (rig.said(number), answer.at) == (b"second", 1002.0)


def test_an_answer_after_the_end_changes_nothing() -> None:
    rig = Rig()
    number = rig.follow("t")
    rig.answer("t", Status.COMPLETED, b"the end")
    rig.answer("t", Status.FAILED, b"too late")
    assert rig.said(number) == b"the end"


def test_failures_outlive_any_number_of_others() -> None:
    rig = Rig()
    failed = rig.follow("failed")
    rig.answer("failed", Status.RUNNING)
    rig.answer("failed", Status.FAILED, b"why")
    for number in range(MOST + 1):
        rig.follow(f"t{number}")
        rig.answer(f"t{number}", Status.COMPLETED)
    assert rig.said(failed) == b"why"
    assert len(rig.answers) == MOST + 1


@pytest.mark.parametrize("status", [Status.RUNNING, Status.FAILED])
def test_there_are_never_more_than_so_many_nor_so_many_bytes(status: Status) -> None:
    rig = Rig()
    said = b"x" * LONGEST
    for number in range(MOST + 50):
        rig.follow(f"t{number}")
        rig.answer(f"t{number}", status, said)
    assert len(rig.answers) == MOST_BYTES // LONGEST < MOST


def test_what_is_too_long_is_only_measured() -> None:
    rig = Rig()
    number = rig.follow("t")
    rig.answer("t", Status.RUNNING, b"x" * (LONGEST + 1))
    answer = rig.answers.get(number)
    assert answer is not None
    assert (answer.said, answer.length) == (None, LONGEST + 1)


def test_nothing_is_kept_of_a_task_that_has_gone_nor_by_a_clock_that_has_stepped() -> None:
    rig = Rig()
    gone, stays = rig.follow("gone"), rig.follow("stays")
    rig.answer("gone", Status.RUNNING)
    rig.answer("stays", Status.RUNNING)
    change = rig.tracker.release("source", ref("gone"), now=rig.now)
    assert change is not None
    rig.answers.take(change)
    assert (rig.said(gone), rig.said(stays)) == (None, b"{}")
    rig.tracker.step_clock(by=3600.0, now=rig.now + 3600.0)
    for each in redated(rig.tracker, rig.now + 3600.0):
        rig.answers.take(each)
    assert len(rig.answers) == 0


def redated(tracker: Tracker, now: float) -> list[Change]:
    _, changes = tracker.redate(after=-1, limit=10, now=now)
    assert changes
    return changes


def test_what_was_said_shows_in_no_repr() -> None:
    said = Said(b'{"url": "https://cdn.example/x?sig=secret"}')
    assert "secret" not in repr(Observation(Status.RUNNING, said=said)) + repr(said)
