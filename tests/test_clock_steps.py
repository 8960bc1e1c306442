"""No duration is beyond the truth, and no end is counted twice, however the wall clock steps.

The clock that tells the truth never steps. Tasks are dated by a machine whose clock steps with ours, by one whose clock
is right, or by nobody.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from exporter.clock import WatchedClock
from exporter.intake.intake import Intake
from exporter.ledger.ledger import LedgerView
from exporter.metrics.limits import LabelLimits
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.state import TaskState
from exporter.tasks.tracker import Change, Tracker
from tests.support.fake_clock import FakeClock

LABELS = TaskLabels("a", "g")
PENDING, RUNNING = Observation(Status.PENDING), Observation(Status.RUNNING, estimated_seconds=10.0)
COMPLETED = Observation(Status.COMPLETED)
SLACK = 1.0
"""Seconds that a step is not taken for one."""

TASKS = 4
EVENTS = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([1.0, 27.0, 3000.0])),
    st.tuples(st.just("sleep"), st.just(20_000.0)),
    st.tuples(st.just("step"), st.sampled_from([-1.7e9, -7200.0, -90.0, -5.0, 5.0, 90.0, 7200.0, 2.6e6, 1.7e9])),
    *(
        st.tuples(st.just(event), st.integers(0, TASKS - 1))
        for event in ("submit", "name", "drop", "poll", "run", "end", "redate")
    ),
)


@dataclass
class Truth:
    """One task; times are of the clock that never steps."""

    dated_by: str
    submitted: float | None = None
    says: float | None = None
    status: Observation = PENDING
    ran: float | None = None
    last_open: float | None = None


class Memory:
    """The ledger, as far as the intake asks: the last state of each task."""

    is_full = False
    view = LedgerView()

    def __init__(self) -> None:
        self.states: dict[TaskRef, TaskState] = {}

    async def recall(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        return {ref: self.states[ref] for ref in refs if ref in self.states}


class World:
    def __init__(self, dated_by: Sequence[str]) -> None:
        self.real = FakeClock()
        self.right = self.real.wall() - self.real.steady()
        self.clock = WatchedClock(self.real)
        self.tracker = Tracker(Rules(retention=1000.0))
        self.memory = Memory()
        log = structlog.wrap_logger(CapturingLogger(), processors=[])
        self.intake = Intake(self.tracker, ledger=self.memory, bounds=LabelLimits(), clock=self.clock, log=log)
        self.clock.subscribe(lambda step: self.tracker.step_clock(by=step.by, now=step.at))
        self.intake.subscribe_to_news(self.take)
        self.tasks = [Truth(by) for by in dated_by]
        self.ended: Counter[int] = Counter()

    def take(self, change: Change) -> None:
        self.memory.states[change.task.state.ref] = change.task.state
        number = int((change.task.state.ref.task_id or "t")[1:])
        truth, now = self.tasks[number], self.real.steady()
        if change.outcome is not None:
            self.ended[number] += 1
        if truth.submitted is None:
            return
        if change.queue_seconds is not None:
            assert change.queue_seconds <= now - truth.submitted + SLACK
        if change.outcome is not None:
            duration, gap = change.outcome.duration, change.outcome.gap
            assert duration is None or duration <= now - truth.submitted + SLACK
            assert gap is None or truth.last_open is None or abs(gap - (now - truth.last_open)) <= SLACK

    async def happens(self, event: str, value: float) -> None:
        if event == "pass":
            await self.real.advance(value)
        elif event == "sleep":
            self.real.suspend(value)
        elif event == "step":
            self.real.step_wall(value)
        else:
            await self.befalls(event, int(value))
        self.clock.wall()  # as the heartbeat does

    async def befalls(self, event: str, number: int) -> None:
        truth, item = self.tasks[number], self.item(number)
        if event == "submit" and truth.submitted is None:
            truth.submitted = self.real.steady()
            by_right_clock = self.real.steady() + self.right
            truth.says = {"ours": self.real.wall(), "right": by_right_clock, "nobody": None}[truth.dated_by]
        elif event == "name" and truth.submitted is not None:
            await self.intake.replace({f"s{number}": [item]})
        elif event == "drop":
            await self.intake.replace({f"s{number}": []})
        elif event == "redate":
            await self.intake.redate()
        elif event in ("run", "end") and truth.submitted is not None and truth.status is not COMPLETED:
            truth.status = RUNNING if event == "run" else COMPLETED
        elif event == "poll" and self.tracker.is_followed(item.ref):
            self.intake.answer(item.ref, truth.status)
            if truth.status is not COMPLETED:
                truth.last_open = self.real.steady()

    def item(self, number: int) -> Item:
        return Item(TaskRef("a", f"t{number}"), LABELS, self.tasks[number].says)


@settings(max_examples=100)
@given(
    dated_by=st.lists(st.sampled_from(["ours", "right", "nobody"]), min_size=TASKS, max_size=TASKS),
    is_right=st.booleans(),
    events=st.lists(EVENTS, max_size=40),
)
def test_no_duration_is_beyond_the_truth(
    dated_by: list[str], events: list[tuple[str, float]], *, is_right: bool
) -> None:
    async def play() -> None:
        world = World(dated_by)
        if not is_right:
            world.right += 5000.0
        for event, value in events:
            await world.happens(event, value)
        for number in range(TASKS):
            for event in ("submit", "name", "end", "poll", "poll"):
                await world.happens(event, number)
        assert world.ended == Counter(range(TASKS))
        times = [task.state for task in world.tracker.views(limit=TASKS)]
        await world.intake.redate()
        now = world.clock.wall()
        assert all(state.finished_at is None or state.finished_at <= now + SLACK for state in times)

    asyncio.run(play())
