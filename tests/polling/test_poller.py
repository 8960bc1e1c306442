"""The loop, on a clock that a test moves, before an account whose answers a test gives."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import structlog
from structlog.testing import CapturingLogger

from exporter.dispatcher.answer import Answer, DispatcherError, Reason
from exporter.dispatcher.gate import Pass
from exporter.polling.cadence import Cadence
from exporter.polling.poller import Poller
from exporter.settings.model import PollSettings
from exporter.tasks.identity import TaskRef
from exporter.tasks.item import Item, TaskLabels
from exporter.tasks.observation import Observation, Status
from exporter.tasks.task import Rules, Task
from exporter.tasks.tracker import Tracker, Transition
from tests.support.fake_clock import FakeClock

LABELS = TaskLabels("a", "g")
RUNNING = Answer(Observation(Status.RUNNING))
COMPLETED = Answer(Observation(Status.COMPLETED))
UNKNOWN_TASK = Answer(None)


class ScriptedAccount:
    """Admits so many at once; answers by the script, or when the test lets it."""

    def __init__(self, clock: FakeClock, *, slots: int = 2) -> None:
        self.clock = clock
        self.slots = asyncio.Semaphore(slots)
        self.asked: list[tuple[float, TaskRef]] = []
        self.under_way: list[TaskRef] = []
        self.answers: dict[str, list[Answer | Exception]] = {}
        self.takes = 0.0
        self.withdrawn = 0

    async def admit(self) -> None:
        await self.slots.acquire()

    def withdraw(self) -> None:
        self.withdrawn += 1
        self.slots.release()

    def lend(self) -> Pass | None:
        raise AssertionError("no task is streamed here")

    def give_back(self, leave: Pass) -> None: ...

    async def stream(self, ref: TaskRef, leave: Pass) -> AsyncGenerator[Answer]:
        yield UNKNOWN_TASK

    async def query(self, ref: TaskRef) -> Answer:
        name = ref.task_id or ref.out_task_id or ""
        assert not any(ref.may_be(other) and set(ref.ids()) & set(other.ids()) for other in self.under_way)
        self.asked.append((self.clock.monotonic() - 1000.0, ref))
        self.under_way.append(ref)
        try:
            await self.clock.sleep(self.takes)
            script = self.answers.get(name, [RUNNING])
            answer = script.pop(0) if len(script) > 1 else script[0]
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.under_way.remove(ref)
            self.slots.release()

    def times(self) -> list[float]:
        return [round(at, 3) for at, _ in self.asked]


class Notes:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.transitions: list[Transition] = []
        self.lags: list[float] = []
        self.fault: Exception | None = None

    def learnt(self, transition: Transition) -> None:
        if self.fault:
            raise self.fault
        self.transitions.append(transition)

    def polled(self, account: str, *, lag: float) -> None:
        assert account == "a"
        self.lags.append(lag)


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.account = ScriptedAccount(self.clock)
        self.notes = Notes()
        self.tracker = Tracker(Rules(not_found_grace=0.0))
        self.lines = CapturingLogger()
        self.poller = Poller(
            "a",
            self.account,
            tracker=self.tracker,
            journal=self.notes,
            cadence_of=lambda _: Cadence(PollSettings()),
            clock=self.clock,
            random=lambda: 0.2,
            log=structlog.wrap_logger(self.lines, processors=[]),
        )
        self.loop = asyncio.create_task(self.poller.run())

    def assign(self, *items: Item) -> None:
        change = self.tracker.assign({"s": items}, now=self.clock.wall())
        for task in change.dropped:
            self.poller.drop(task)
        for task in change.followed:
            self.poller.follow(task)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    rig.loop.cancel()
    await asyncio.gather(rig.loop, return_exceptions=True)
    await rig.poller.stop(deadline=0.0)


def by_id(task_id: str) -> Item:
    return Item(TaskRef("a", task_id), LABELS)


def by_out_id(out_task_id: str) -> Item:
    return Item(TaskRef("a", None, out_task_id), LABELS)


async def test_a_task_is_polled_at_its_cadence_until_it_ends(rig: Rig) -> None:
    rig.account.answers["t"] = [
        RUNNING,
        Answer(Observation(Status.RUNNING, estimated_seconds=60)),
        COMPLETED,
    ]
    rig.assign(by_id("t"))
    await rig.clock.advance(100.0)

    assert rig.account.times() == [1.0, 6.0, 16.0], "0.2 of an interval, then 30/6 s, then 60/6 s, then no more"
    assert [t.state.status for t in rig.notes.transitions] == [Status.RUNNING, Status.RUNNING, Status.COMPLETED]
    assert rig.poller.tasks == 0


async def test_no_more_requests_at_once_than_are_admitted_and_the_lag_shows(rig: Rig) -> None:
    rig.account.takes = 3.0
    rig.assign(*(by_id(f"t{i}") for i in range(6)))
    await rig.clock.advance(4.0)

    assert rig.account.times() == [1.0, 1.0, 4.0, 4.0]
    assert rig.notes.lags == [0.0, 0.0, 3.0, 3.0]
    assert rig.poller.tasks_due == 2
    assert rig.poller.latency == 3.0


async def test_a_task_is_never_asked_about_twice_at_once(rig: Rig) -> None:
    rig.account.takes = 30.0
    rig.assign(by_id("t"))
    await rig.clock.advance(2.0)
    rig.assign()
    rig.assign(by_id("t"))
    await rig.clock.advance(60.0)

    assert len(rig.account.asked) == 2
    assert rig.account.withdrawn > 0, "its turn came while the first request was out"


async def test_a_dropped_task_is_not_polled_and_its_answer_not_taken(rig: Rig) -> None:
    rig.account.takes = 5.0
    rig.assign(by_id("t1"), by_id("t2"))
    await rig.clock.advance(2.0)
    rig.assign()
    await rig.clock.advance(100.0)

    assert (len(rig.account.asked), rig.notes.transitions, rig.poller.tasks) == (2, [], 0)


async def test_a_turn_that_was_dropped_while_waiting_gives_its_leave_back(rig: Rig) -> None:
    rig.account.takes = 50.0
    rig.assign(by_id("t1"), by_id("t2"), by_id("t3"))
    await rig.clock.advance(2.0)
    rig.assign(by_id("t1"), by_id("t2"))
    await rig.clock.advance(50.0)

    assert rig.account.withdrawn == 1


async def test_both_names_of_a_task_are_polled_as_one_once_it_is_known(rig: Rig) -> None:
    both = Answer(Observation(Status.RUNNING, task_id="t", out_task_id="x"))
    rig.account.answers |= {"t": [both], "x": [both]}
    rig.assign(by_id("t"), by_out_id("x"))
    await rig.clock.advance(21.5)

    assert rig.account.times() == [1.0, 1.0, 6.0, 11.0, 16.0, 21.0]
    assert rig.poller.tasks == 1


@pytest.mark.parametrize("reason", [Reason.SERVER, Reason.TIMEOUT, Reason.INVALID_API_KEY])
async def test_the_accounts_failures_do_not_slow_a_task(rig: Rig, reason: Reason) -> None:
    rig.account.answers["t"] = [DispatcherError(reason, "no"), RUNNING]
    rig.assign(by_id("t"))
    await rig.clock.advance(12.0)

    assert rig.account.times() == [1.0, 6.0, 11.0]


async def test_a_tasks_own_failures_slow_it_until_it_answers(rig: Rig) -> None:
    bad = DispatcherError(Reason.BAD_RESPONSE, "garbage")
    rig.account.answers["t"] = [bad, bad, RUNNING]
    rig.assign(by_id("t"))
    await rig.clock.advance(40.0)

    assert rig.account.times() == [1.0, 11.0, 31.0, 36.0]


async def test_a_task_nobody_knows_ends_after_three_404s(rig: Rig) -> None:
    rig.account.answers["t"] = [UNKNOWN_TASK]
    rig.assign(by_id("t"))
    await rig.clock.advance(60.0)

    assert len(rig.account.asked) == 3
    assert rig.notes.transitions[-1].state.status is Status.NOT_FOUND


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), KeyError("another")])
async def test_a_fault_of_our_own_is_logged_and_the_loop_goes_on(rig: Rig, fault: Exception) -> None:
    rig.notes.fault = fault
    rig.assign(by_id("t"))
    await rig.clock.advance(12.0)

    assert len(rig.account.asked) == 3
    assert [call.kwargs["event"] for call in rig.lines.calls] == ["poll_fault"] * 3


async def test_the_loop_outlives_a_fault_in_itself(rig: Rig) -> None:
    admit = rig.account.admit

    async def faulty() -> None:
        rig.account.admit = admit  # type: ignore[method-assign]
        raise RuntimeError("a bug")

    rig.account.admit = faulty  # type: ignore[method-assign]
    rig.assign(by_id("t"))
    await rig.clock.advance(3.0)

    assert rig.account.times() == [2.0]
    assert [call.kwargs["event"] for call in rig.lines.calls] == ["poller_fault"]


async def test_it_has_tried_when_something_came_back_or_nothing_is_followed(rig: Rig) -> None:
    history = [rig.poller.has_tried]
    rig.account.answers["t"] = [DispatcherError(Reason.CONNECT, "refused")]
    rig.assign(by_id("t"))
    history.append(rig.poller.has_tried)
    await rig.clock.advance(2.0)
    history.append(rig.poller.has_tried)

    assert history == [True, False, True]


async def test_stopping_lets_requests_come_back_until_the_deadline(rig: Rig) -> None:
    rig.account.takes = 30.0
    rig.assign(by_id("t"))
    await rig.clock.advance(2.0)
    rig.loop.cancel()

    await rig.poller.stop(deadline=0.01)

    assert rig.account.under_way == []


async def test_the_rate_asked_for_follows_the_tasks(rig: Rig) -> None:
    rig.assign(*(by_id(f"t{i}") for i in range(10)))
    assert rig.poller.rate == pytest.approx(2.0), "ten tasks, each every 5 s"
    rig.assign()
    assert rig.poller.rate == 0.0


async def test_a_hurried_task_is_asked_about_now_and_then_at_its_cadence(rig: Rig) -> None:
    rig.account.answers["t"] = [Answer(Observation(Status.RUNNING, estimated_seconds=600))]
    rig.assign(by_id("t"))
    await rig.clock.advance(10.0)
    rig.poller.hurry(task_of(rig, "t"))
    await rig.clock.advance(150.0)

    assert rig.account.times() == [1.0, 10.0, 110.0]
    assert rig.poller.tasks == 1


async def test_however_often_it_is_hurried_it_is_asked_about_once_in_min_interval(rig: Rig) -> None:
    rig.account.answers["t"] = [Answer(Observation(Status.RUNNING, estimated_seconds=600))]
    rig.assign(by_id("t"))
    await rig.clock.advance(10.0)
    for _ in range(50):
        rig.poller.hurry(task_of(rig, "t"))
        await rig.clock.advance(0.1)

    assert rig.account.times() == [1.0, 10.0, 12.0, 14.0]


async def test_news_that_comes_during_a_request_is_asked_about_after_it(rig: Rig) -> None:
    rig.account.answers["t"] = [Answer(Observation(Status.RUNNING, estimated_seconds=600)), COMPLETED]
    rig.account.takes = 3.0
    rig.assign(by_id("t"))
    await rig.clock.advance(2.0)
    for _ in range(3):
        rig.poller.hurry(task_of(rig, "t"))
    await rig.clock.advance(10.0)

    assert rig.account.times() == [1.0, 4.0]
    assert rig.poller.tasks == 0


async def test_hurrying_what_is_not_polled_does_nothing(rig: Rig) -> None:
    rig.account.answers["t"] = [COMPLETED]
    rig.assign(by_id("t"))
    await rig.clock.advance(5.0)
    ended = task_of(rig, "t")
    rig.poller.hurry(ended)
    rig.assign()
    rig.poller.hurry(ended)
    await rig.clock.advance(100.0)

    assert rig.account.times() == [1.0]


def task_of(rig: Rig, task_id: str) -> Task:
    task = rig.tracker.find(by_id(task_id).ref)
    assert task
    return task
