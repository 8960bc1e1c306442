"""From a submission to the first answer after it: measured once, by who asked, for no more tasks than there may be."""

import pytest

from exporter.metrics.families.proxy import Asker
from exporter.proxy.first_polls import WAITING, FirstPolls
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import TaskLabels
from exporter.tasks.state import Submission, TaskState
from exporter.tasks.tracker import Change, ChangeKind
from exporter.tasks.view import TaskView
from tests.support.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def counted() -> list[tuple[str, Asker, float]]:
    return []


@pytest.fixture
def polls(counted: list[tuple[str, Asker, float]], clock: FakeClock) -> FirstPolls:
    return FirstPolls(lambda *event: counted.append(event), clock=clock)


def task(number: int) -> TaskView:
    state = TaskState(TaskRef("default", f"task_{number}"), 0.0, 0.0, Submission.SOURCE)
    return TaskView(number, TaskLabels("default", "renders", "sora-2"), state)


async def test_the_application_asks_first(
    polls: FirstPolls, counted: list[tuple[str, Asker, float]], clock: FakeClock
) -> None:
    polls.submitted("default", 1)
    await clock.advance(2.0)
    polls.answered(1, Asker.APPLICATION)
    polls.confirmed("default", 1)
    assert counted == [("default", Asker.APPLICATION, 2.0)]
    assert not polls.are_awaited


@pytest.mark.parametrize("says_something_new", [True, False])
async def test_the_exporter_asks_first(
    polls: FirstPolls, counted: list[tuple[str, Asker, float]], clock: FakeClock, says_something_new: bool
) -> None:
    polls.submitted("default", 1)
    await clock.advance(5.0)
    polls.take(Change(ChangeKind.NAMED, task(1)))
    if says_something_new:
        polls.take(Change(ChangeKind.ANSWERED, task(1), is_news=True))
    else:
        polls.confirmed("default", 1)
    polls.answered(1, Asker.APPLICATION)
    assert counted == [("default", Asker.EXPORTER, 5.0)]


async def test_a_task_under_another_number_still_waits(
    polls: FirstPolls, counted: list[tuple[str, Asker, float]], clock: FakeClock
) -> None:
    polls.submitted("default", 1)
    await clock.advance(1.0)
    polls.take(Change(ChangeKind.MERGED, task(1), into=2))
    polls.confirmed("default", 2)
    assert counted == [("default", Asker.EXPORTER, 1.0)]


def test_what_nobody_asked_about_is_forgotten_with_its_task(
    polls: FirstPolls, counted: list[tuple[str, Asker, float]]
) -> None:
    polls.submitted("default", 1)
    polls.take(Change(ChangeKind.DROPPED, task(1)))
    polls.confirmed("default", 1)
    assert counted == []
    assert not polls.are_awaited


def test_there_is_no_end_of_submissions(polls: FirstPolls, counted: list[tuple[str, Asker, float]]) -> None:
    for number in range(WAITING + 2):
        polls.submitted("default", number)
    for number in range(WAITING + 2):
        polls.confirmed("default", number)
    assert len(counted) == WAITING
