"""What is remembered of registered tasks that have ended."""

from typing import Any

from structlog.testing import CapturingLogger

from exporter.registration.registry import registered_source
from exporter.registration.retirement import Retirement
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.tracker import Tracker

ITEM = Item(TaskRef("a", "t"), TaskLabels("a", "g"))
SOURCE = registered_source("g")


def test_a_task_that_is_given_up_and_registered_again_and_again_is_remembered_once() -> None:
    unused: Any = None
    retirement = Retirement(
        settings=unused, registry=unused, registrar=unused, flush=unused, clock=unused, log=CapturingLogger()
    )
    tracker, ended = Tracker(Rules()), None
    for now in map(float, range(100)):
        followed = tracker.claim(SOURCE, ITEM, now=now, remembered=ended)
        answered = tracker.observe(ITEM.ref, Observation(Status.COMPLETED), now=now)
        assert followed
        for change in (followed, *answered):
            retirement.take(change)
        ended = answered[-1].task.state
        assert len(retirement) == 1

        dropped = tracker.release(SOURCE, ITEM.ref, now=now)
        assert dropped
        retirement.take(dropped)
        assert len(retirement) == 0, "nobody has it registered"
