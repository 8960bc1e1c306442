"""A poller before a scripted account, fed by the real intake, on a clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.intake.intake import Intake
from exporter.ledger.ledger import LedgerView
from exporter.polling.cadence import PublishedCadence
from exporter.polling.poller import Poller
from exporter.settings.model import PollSettings
from exporter.tasks.census import Rules
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Status
from exporter.tasks.state import TaskState
from exporter.tasks.tracker import Change, ChangeKind, Tracker
from tests.support.fake_clock import FakeClock
from tests.support.scripted_account import Said, ScriptedAccount


class NoMemory:
    """A ledger that knows of no task."""

    is_full = False
    view = LedgerView()

    async def recall(self, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskState]:
        return {}


class AnyLabels:
    @contextmanager
    def admission(self) -> Iterator[Callable[[TaskLabels], TaskLabels]]:
        yield lambda labels: labels

    def released(self) -> None: ...


class Rig:
    def __init__(self, poll: PollSettings, *, gives_at_once: bool) -> None:
        self.clock = FakeClock()
        self.account = ScriptedAccount(self.clock, gives_at_once=gives_at_once)
        self.tracker = Tracker(Rules(not_found_grace=0.0))
        self.lines = CapturingLogger()
        self.lags: list[float] = []
        self.answered: list[Change] = []
        self.streamed = {"streamed"}
        self.is_owned = True
        self.polls: dict[str, PollSettings] = {}  # those of a group that has its own
        log = structlog.wrap_logger(self.lines, processors=[])
        self.intake = Intake(self.tracker, ledger=NoMemory(), bounds=AnyLabels(), clock=self.clock, log=log)
        self.poller = Poller(
            "a",
            self.account,
            tasks=self.tracker,
            intake=self.intake,
            lag=self,
            cadence_of=lambda labels: PublishedCadence(self.polls.get(labels.group, poll)),
            clock=self.clock,
            random=lambda: 0.2,
            log=log,
            is_streamed=lambda labels: labels.group in self.streamed,
            may_ask=lambda: self.is_owned,
        )
        self.intake.subscribe(self.note)
        if gives_at_once:  # as in life; the other half of the tests has a change made of every answer
            self.intake.subscribe_to_news(self.poller.take, confirmed=lambda _, number: self.poller.confirmed(number))
        else:
            self.intake.subscribe(self.poller.take)
        self.loop = asyncio.create_task(self.poller.run())

    def polled(self, account: str, *, lag: float) -> None:
        assert account == "a"
        self.lags.append(lag)

    def note(self, change: Change) -> None:
        if change.kind is ChangeKind.ANSWERED:
            self.answered.append(change)

    def statuses(self) -> list[Status]:
        """What the answers said, one after the other."""
        return [change.task.state.status for change in self.answered]

    async def follow(self, *items: Item) -> None:
        """Let these be exactly the tasks that are followed."""
        await self.intake.replace({"s": items}, {})

    def number(self, task_id: str) -> int:
        task = self.tracker.find(TaskRef("a", task_id))
        assert task
        return task.number

    async def say(self, *said: Said, to: str = "t") -> None:
        """Let a stream bring something."""
        for one in said:
            self.account.lines[to].put_nowait(one)
            await self.clock.settle()

    def events(self) -> list[str]:
        return [call.kwargs["event"] for call in self.lines.calls]

    async def stop(self) -> None:
        self.loop.cancel()
        await asyncio.gather(self.loop, return_exceptions=True)
        await self.poller.stop(deadline=0.0)
        assert (self.account.taken, self.account.lines) == (0, {}), "every slot is given back"


@pytest.fixture
def poll() -> PollSettings:
    return PollSettings()


@pytest.fixture(params=[True, False], ids=["at once", "after a wait"])
async def rig(poll: PollSettings, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Both ways to a permit: had at once where there is one, or always waited for."""
    rig = Rig(poll, gives_at_once=request.param)
    yield rig
    await rig.stop()
